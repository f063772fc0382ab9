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

// Writes beside `path` and renames, so that `path` is never seen half written and stays as it was
// when this fails. A link stays, and what it leads to is replaced; one that leads nowhere is
// replaced itself. What is no regular file (/dev/stdout, a FIFO) is written to directly; a FIFO
// that nobody reads is io_error.
Result<void> write_output(const std::string& path, std::span<const std::byte> bytes);

// The same where only a file of its own will do: a link is replaced itself, and anything else but a
// regular file stays: not_ours.
Result<void> write_in_place_of(const std::string& path, std::span<const std::byte> bytes);

Result<void> write_standard_output(std::span<const std::byte> bytes);

// Removes what a program is about to make anew; fine when there is nothing. A directory or a device
// stays: not_ours.
Result<void> remove_old_output(const std::string& path);

}  // namespace larder::cli

#endif  // LARDER_CLI_FILE_IO_H_
