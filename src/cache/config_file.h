// Configuration files: `key = value` lines. A `#` as the first character of a line makes it a
// comment; elsewhere it belongs to the value.
#ifndef LARDER_CACHE_CONFIG_FILE_H_
#define LARDER_CACHE_CONFIG_FILE_H_

#include <map>
#include <string>
#include <string_view>

#include "larder/error.h"
#include "larder/file_system.h"

namespace larder {

struct ConfiguredValue {
  std::string value;
  std::string origin;  // what a message calls the place: "environment LARDER_DIR", "/etc/x.conf:3"
};

// One place that settings come from. Keys are known ones.
using ConfigLayer = std::map<std::string, ConfiguredValue, std::less<>>;

// bad_config for a name that is no key of this version; `origin` as in ConfiguredValue.
Result<void> check_key(std::string_view key, std::string_view origin);

// Errors: bad_config with file and line. A later line of the same key wins.
Result<ConfigLayer> parse_config(std::string_view text, std::string_view path);

// The user's or the machine's file; an empty layer when there is none. A file that may not even be
// looked at, such as one in another user's home, is no file of this process's.
Result<ConfigLayer> read_config_file(FileSystem& file_system, const std::string& path);

// `larder.conf` in a store directory. Whoever writes it decides about the process that opens the
// store, so that it must belong to this user or root and be writable by nobody else: bad_config
// otherwise. It cannot set `dir` and `log`.
Result<ConfigLayer> read_store_config(FileSystem& file_system, const std::string& directory);

}  // namespace larder

#endif  // LARDER_CACHE_CONFIG_FILE_H_
