// The one error type of the library, and what a caller should do for each code.
#ifndef LARDER_ERROR_H_
#define LARDER_ERROR_H_

#if defined(__cplusplus) && __cplusplus <= 202002L
#error "Larder needs C++23: compile with -std=c++23"
#endif

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "larder/export.h"
#include "larder/fingerprint.h"

namespace larder LARDER_PUBLIC {

// Frozen numbers: they are also the codes of the C interface. Never reuse or renumber one.
enum class Errc : int {
  invalid_argument = 1,  // The call itself is wrong. Mend the caller.
  corrupt = 2,           // An entry is damaged. Compile again; the next put replaces it.
  not_ours = 3,          // Something that Larder did not make stands in the way. Move it away.
  too_large = 4,         // Over the payload cap of the store. Use the result without caching it.
  no_space = 5,          // Disk or quota is full, also after eviction. Free space; nothing is lost.
  permission_denied = 6,  // The system refused. Check owner and mode of the named path.
  read_only = 7,          // The store was opened, or is mounted, read-only. Reads go on working.
  io_error = 8,           // The device or file system failed. Compile; look at the system's log.
  unsafe_directory = 9,   // Another user owns or may write the directory. Mend its owner or mode.
  not_a_store = 10,       // A non-empty directory without a marker. Name another directory.
  wrong_kind = 11,        // A store of another kind or layout. Name it by its own scheme.
  unsupported_version = 12,  // Written by a newer Larder. Upgrade, or name another directory.
  no_home = 13,              // No user cache directory. Set XDG_CACHE_HOME or HOME, or pass a path.
  must_hit = 14,             // A miss in must-hit mode. Warm the cache, or leave the mode.
  not_durable = 15,          // A flush failed: `fingerprints` names what is lost. Put those again.
  out_of_memory = 16,   // The artifact did not fit into memory. Use a smaller one, or free some.
  compile_failed = 17,  // The caller's compiler said so. Show its message.
  unsupported = 18,     // This store or file system cannot do that. Use another way.
  timed_out = 19,       // A lock, or a remote tier's answer, took too long. Try again later.
  absent = 20,          // No such file. Inside the library only: a miss is a value, not an error.
  exists = 21,          // The name is taken. Inside the library only.
  bad_config = 22,      // A variable or a configuration line is wrong; the message names it.
  unreachable = 23,     // A remote tier does not answer. Go on without it; look at its server.
};

struct Error {
  Errc code = Errc::io_error;
  int os_error = 0;     // errno as taken on the line of the failed call; 0 when no call failed
  std::string message;  // one line: the thing, what happened, and what to do
  std::vector<Fingerprint> fingerprints = {};  // not_durable: the entries that a power cut may take
};

template <class T>
using Result = std::expected<T, Error>;

// The name of a code as it is written above, e.g. "no_space". Static storage.
std::string_view errc_name(Errc code) noexcept;

}  // namespace larder

#endif  // LARDER_ERROR_H_
