# Half of what a source of ours costs to compile is the same few headers of the standard library.
# Developers' builds read them once. Others read them in each file, where one that is missing
# shows: the release build of ./quickstart, and what tests/consumer builds.
#
#   larder_read_headers_once(TARGET [HEADER...])    these HEADERs as well
function(larder_read_headers_once target)
  if(LARDER_DEVELOPER)
    target_precompile_headers(${target} PRIVATE ${larder_headers_once} ${ARGN})
  endif()
endfunction()
set(larder_headers_once <algorithm> <array> <atomic> <chrono> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <utility> <vector>)
