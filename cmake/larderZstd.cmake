# The target larder::zstd, here and in projects that find Larder installed. By its files, because
# not every system's package says where it is to CMake, and those that do use several names.
if(NOT TARGET larder::zstd)
  find_path(LARDER_ZSTD_INCLUDE_DIR zstd.h)
  find_library(LARDER_ZSTD_LIBRARY zstd)
  mark_as_advanced(LARDER_ZSTD_INCLUDE_DIR LARDER_ZSTD_LIBRARY)
  if(LARDER_ZSTD_INCLUDE_DIR AND LARDER_ZSTD_LIBRARY)
    add_library(larder::zstd UNKNOWN IMPORTED GLOBAL)
    set_target_properties(larder::zstd PROPERTIES
      IMPORTED_LOCATION "${LARDER_ZSTD_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${LARDER_ZSTD_INCLUDE_DIR}")
  endif()
endif()
