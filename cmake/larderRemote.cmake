# The targets larder::curl and larder::hiredis, here and in projects that find Larder installed. By
# their files, because not every system's package says where it is to CMake.
foreach(library curl hiredis)
  if(NOT TARGET larder::${library})
    string(TOUPPER ${library} name)
    find_path(LARDER_${name}_INCLUDE_DIR ${library}/${library}.h)
    find_library(LARDER_${name}_LIBRARY ${library})
    mark_as_advanced(LARDER_${name}_INCLUDE_DIR LARDER_${name}_LIBRARY)
    if(LARDER_${name}_INCLUDE_DIR AND LARDER_${name}_LIBRARY)
      add_library(larder::${library} UNKNOWN IMPORTED GLOBAL)
      set_target_properties(larder::${library} PROPERTIES
        IMPORTED_LOCATION "${LARDER_${name}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${LARDER_${name}_INCLUDE_DIR}")
    endif()
  endif()
endforeach()
