// A disk that is full soon.
#ifndef LARDER_TESTS_UNIT_SMALL_DISK_H_
#define LARDER_TESTS_UNIT_SMALL_DISK_H_

#include <cstdint>
#include <functional>
#include <string>

namespace larder {

// Runs `body` with the path of an empty tmpfs of `disk_bytes`, in a child process that is alone in
// seeing it. Returns what `body` returned, "" for "all is well" being its habit, or a line about
// how the child ended. Where the machine lets nobody mount, prints a line that begins with SKIPPED
// and returns "". Call it while the process has one thread.
std::string on_small_disk(std::uint64_t disk_bytes,
                          const std::function<std::string(const std::string& path)>& body);

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_SMALL_DISK_H_
