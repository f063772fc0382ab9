# BLAKE3's official C and assembly sources. Debian ships them inside librust-blake3-dev; where they
# are absent, an installed blake3 CMake package serves.
set(LARDER_BLAKE3_SOURCE_DIR "" CACHE PATH "Folder with blake3.c (empty: search)")
if(NOT LARDER_BLAKE3_SOURCE_DIR)
  file(GLOB larder_blake3_found /usr/share/cargo/registry/blake3-*/c/blake3.c)
  if(larder_blake3_found)
    list(GET larder_blake3_found 0 larder_blake3_file)
    get_filename_component(LARDER_BLAKE3_SOURCE_DIR ${larder_blake3_file} DIRECTORY)
  endif()
endif()

if(LARDER_BLAKE3_SOURCE_DIR)
  set(larder_blake3_sources blake3.c blake3_dispatch.c blake3_portable.c)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND UNIX)
    list(APPEND larder_blake3_sources blake3_sse2_x86-64_unix.S blake3_sse41_x86-64_unix.S
      blake3_avx2_x86-64_unix.S blake3_avx512_x86-64_unix.S)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    list(APPEND larder_blake3_sources blake3_neon.c)
  endif()
  list(TRANSFORM larder_blake3_sources PREPEND ${LARDER_BLAKE3_SOURCE_DIR}/)
  add_library(larder_blake3 OBJECT ${larder_blake3_sources})
  set_target_properties(larder_blake3 PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  target_include_directories(larder_blake3 SYSTEM PUBLIC ${LARDER_BLAKE3_SOURCE_DIR})
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    target_compile_definitions(larder_blake3 PRIVATE BLAKE3_USE_NEON=1)
  endif()
else()
  find_package(BLAKE3 QUIET)
  if(NOT BLAKE3_FOUND)
    message(FATAL_ERROR "BLAKE3 not found. On Debian: apt-get install librust-blake3-dev. "
      "Elsewhere install BLAKE3's C library, or set LARDER_BLAKE3_SOURCE_DIR to the "
      "folder with blake3.c.")
  endif()
  add_library(larder_blake3 INTERFACE)
  target_link_libraries(larder_blake3 INTERFACE BLAKE3::blake3)
endif()
