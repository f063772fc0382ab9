// The files that people name on the command line. (The store's files are the library's business.)
#ifndef LARDER_CLI_FILE_IO_H_
#define LARDER_CLI_FILE_IO_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "larder/artifact.h"
#include "larder/error.h"

namespace larder::cli {

// The content of a file, or of standard input for "-". Errors: too_large over `max_bytes`,
// permission_denied or absent or io_error, out_of_memory.
Result<Artifact> read_payload(const std::string& path, std::uint64_t max_bytes);

// The same for a file that a program has just made. Anything but a regular file is not_ours: a link
// or a FIFO there is not what the program was asked for.
Result<Artifact> read_made_file(const std::string& path, std::uint64_t max_bytes);

// An absent or regular file is written beside its place and renamed, so that `path` is never seen
// half written and stays as it was when this fails; a link to one stays, and what it leads to is
// replaced. A link to nothing is not_ours. Whatever else there is (a device, a FIFO, an open file
// under /proc/self/fd) is written to as it is. "-" is standard output.
Result<void> write_output(const std::string& path, std::span<const std::byte> bytes);

// The same where only a file of its own will do: a link to a file or to nothing is replaced itself,
// and anything else stays: not_ours.
Result<void> write_in_place_of(const std::string& path, std::span<const std::byte> bytes);

Result<void> write_standard_output(std::span<const std::byte> bytes);

// Whether write_in_place_of would take the place; its error otherwise.
Result<void> check_replaceable(const std::string& path);

// Removes what a program is about to make anew; fine when there is nothing. Errors as
// check_replaceable.
Result<void> remove_old_output(const std::string& path);

}  // namespace larder::cli

#endif  // LARDER_CLI_FILE_IO_H_
