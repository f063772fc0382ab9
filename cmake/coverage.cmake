# Counts what is executed of the library, for tests/coverage/run. Tests are compiled as ever.
option(LARDER_COVERAGE "Count which lines and branches of the library are executed" OFF)
if(LARDER_COVERAGE)
  target_compile_options(larder_objects PRIVATE --coverage -fprofile-update=atomic -O0)
  target_link_options(larder_static INTERFACE --coverage)
endif()
