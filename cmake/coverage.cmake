# Counts what is executed of the library, for tests/coverage/run: by clang, which counts the ways
# out of each condition as it was written, and nothing that a compiler adds. Tests are compiled as
# ever. Counters are mapped into their file, so that processes that are killed count too.
option(LARDER_COVERAGE "Count which lines and branches of the library are executed" OFF)
if(LARDER_COVERAGE)
  target_compile_options(larder_objects PRIVATE -fprofile-instr-generate -fcoverage-mapping
    -fprofile-update=atomic "SHELL:-mllvm -runtime-counter-relocation")
  target_link_options(larder_static INTERFACE -fprofile-instr-generate)
  target_link_options(larder_shared PRIVATE -fprofile-instr-generate)
endif()
