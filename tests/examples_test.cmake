# Runs the quickstart example twice in a cache directory of its own: the first run compiles, the
# second must not. Variables: PROGRAM, DIRECTORY.
file(REMOVE_RECURSE ${DIRECTORY})
foreach(variable LARDER_DIR LARDER_MAX_SIZE LARDER_DISABLE LARDER_READONLY LARDER_MUST_HIT
    LARDER_REFRESH LARDER_LOG)
  unset(ENV{${variable}})
endforeach()
set(ENV{XDG_CACHE_HOME} ${DIRECTORY}/cache)
set(ENV{XDG_CONFIG_HOME} ${DIRECTORY}/config)

function(run_and_expect expected)
  execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT output STREQUAL expected)
    message(FATAL_ERROR
      "quickstart ended with ${status} and said\n${output}instead of\n${expected}")
  endif()
endfunction()

run_and_expect("compiling\n28 bytes, miss\n")
run_and_expect("28 bytes, hit\n")
if(NOT IS_DIRECTORY ${DIRECTORY}/cache/larder)
  message(FATAL_ERROR "the cache is not in XDG_CACHE_HOME")
endif()
file(REMOVE_RECURSE ${DIRECTORY})
