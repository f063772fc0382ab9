# A defect on purpose, for the tests of the tests: -DLARDER_MUTANT=NAME compiles a changed copy of
# one source file instead of the file itself. tests/mutants/mutants.py has the names.
set(LARDER_MUTANT "" CACHE STRING "Build the library with this defect; never install it")
if(LARDER_MUTANT)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tests/mutants/mutate.py
      ${LARDER_MUTANT} ${PROJECT_BINARY_DIR}/mutant
    OUTPUT_VARIABLE mutated OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "^src/" "" original ${mutated})
  set(mutated ${PROJECT_BINARY_DIR}/mutant/${mutated})
  list(TRANSFORM larder_sources REPLACE "^${original}$" "${mutated}")
  # What is taken away may leave a name that nobody uses. Nothing else is compiled anew.
  set_property(SOURCE ${mutated} APPEND PROPERTY COMPILE_OPTIONS -Wno-error)
  message(WARNING "This build has a defect on purpose: ${LARDER_MUTANT}")
endif()
