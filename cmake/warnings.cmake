# Warnings stop our own build only: they are private, so that nobody who links Larder inherits them.
add_library(larder_warnings INTERFACE)
if(LARDER_DEVELOPER)
  target_compile_options(larder_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wpedantic -Wshadow -Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # std::stable_sort of libstdc++ 12 uses what it deprecates; clang says so in its callers' name.
    target_compile_options(larder_warnings INTERFACE
      $<$<COMPILE_LANGUAGE:CXX>:-Wthread-safety -Wno-deprecated-declarations>)
  endif()
endif()
