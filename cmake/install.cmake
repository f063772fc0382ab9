# What `cmake --install` puts where: libraries, headers, the program, the CMake package and the
# pkg-config file.
include(CMakePackageConfigHelpers)
set(larder_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/larder)

set(larder_installed larder_static larder_shared)
if(TARGET larder_testing)
  list(APPEND larder_installed larder_testing)
endif()
set(larder_needs_blake3_package OFF)
if(NOT LARDER_BLAKE3_SOURCE_DIR)
  set(larder_needs_blake3_package ON)
  list(APPEND larder_installed larder_blake3)  # only a name for that package
endif()
install(TARGETS ${larder_installed} EXPORT larder_targets)
install(DIRECTORY include/larder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY testing/include/larder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT larder_targets NAMESPACE larder:: DESTINATION ${larder_package_dir}
  FILE larderTargets.cmake)

# An export of its own: who has no OpenCL can still find the rest.
if(TARGET larder_opencl)
  install(TARGETS larder_opencl EXPORT larder_opencl_targets)
  install(DIRECTORY adapters/opencl/include/larder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT larder_opencl_targets NAMESPACE larder:: DESTINATION ${larder_package_dir}
    FILE larderOpenCLTargets.cmake)
endif()


if(TARGET larder_program)
  install(TARGETS larder_program)
endif()

configure_package_config_file(cmake/larderConfig.cmake.in
  ${PROJECT_BINARY_DIR}/larderConfig.cmake INSTALL_DESTINATION ${larder_package_dir})
# Before 1.0 a new minor version may break callers.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/larderConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/larderConfig.cmake ${PROJECT_BINARY_DIR}/larderConfigVersion.cmake
  cmake/larderZstd.cmake cmake/larderRemote.cmake
  DESTINATION ${larder_package_dir})

# Relative, so that the prefix may be chosen or moved after configuring.
file(RELATIVE_PATH larder_prefix_from_pc
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(larder_pc_remote_libs)
if(LARDER_REMOTE)
  set(larder_pc_remote_libs " -lcurl -lhiredis")
endif()
configure_file(cmake/larder.pc.in ${PROJECT_BINARY_DIR}/larder.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/larder.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
