// Where settings come from: arguments > LARDER_* environment > <store>/larder.conf >
// $XDG_CONFIG_HOME/larder/larder.conf (else $HOME/.config) > /etc/larder.conf > default.
// Files hold `key = value` lines named like the variables without LARDER_, lower case; # comments.
// The store's file cannot set `dir`, `log`, `remote` and `key_file`, and is not read where an
// argument or a variable has disabled the cache.
#ifndef LARDER_CONFIG_H_
#define LARDER_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "larder/error.h"
#include "larder/remote.h"

namespace larder LARDER_PUBLIC {

class FileSystem;

enum class StoreKind {
  automatic,  // an existing marker decides; a new or empty directory becomes a pack (open_store)
  pack,
  file,
  vyre,
};

// What --store and LARDER_DIR name: `pack:DIR`, `file:DIR`, `vyre:DIR`, or `DIR`.
struct Location {
  StoreKind kind = StoreKind::automatic;
  std::string directory;  // empty: the kind's place in the user's cache directory

  // As --store takes it.
  std::string text() const;
};

// A word and a colon before the first slash is a scheme, an unknown one is invalid_argument;
// `./word:x` is a directory.
Result<Location> parse_location(std::string_view text);

// The user's cache directory of a kind: $XDG_CACHE_HOME/larder (or vyre/pipelines), else under
// $HOME/.cache. An empty or relative variable counts as unset. no_home names both when both are.
Result<std::string> default_directory(StoreKind kind);

// "5G", "300 MiB", "2KB", "4096": K M G T and KiB .. TiB are binary, KB .. TB decimal, a bare
// number is bytes. Suffixes in any case. invalid_argument says what is accepted.
Result<std::uint64_t> parse_size(std::string_view text);

// "250ms", "30s", "5m", "12h", "7d", "2w", in milliseconds. A bare number is refused.
Result<std::uint64_t> parse_duration_ms(std::string_view text);

// One setting with where it came from, for `larder config`.
struct Setting {
  std::string key;     // "max_size"
  std::string value;   // as written; the effective one of a default and of `dir`
  std::string origin;  // "argument --store", "environment LARDER_DIR", "/etc/larder.conf:3", ...
};

struct Config {
  Location location;
  std::optional<std::uint64_t> max_size_bytes;  // default 5 GiB; none for vyre
  bool disabled = false;
  bool read_only = false;
  bool must_hit = false;
  bool refresh = false;
  std::string log;                     // a file to append to, or "stderr"; empty: none
  std::string key_file;                // for read_key_file; empty: no key
  std::vector<RemoteSetting> remotes;  // behind the store, the fastest first
  std::vector<Setting> settings;
};

enum class ConfigFiles { read, ignore };

struct ConfigSources {
  std::map<std::string, std::string> arguments = {};  // key -> value, e.g. {"dir", "/x"}; they win
  FileSystem* file_system = nullptr;                  // null: the machine's own
  ConfigFiles files = ConfigFiles::read;              // ignore: arguments and environment alone
};

// Errors: bad_config naming the variable, or file and line (unknown keys too); no_home, unless
// disabled: the location is then empty. In an elevated process (set-uid), the environment is
// ignored.
// An empty variable counts as unset. Booleans, in any case: 1, true, yes, on or (in a file) empty =
// true; 0, false, no, off = false; else bad_config.
Result<Config> load_config(const ConfigSources& sources = {});

}  // namespace larder

#endif  // LARDER_CONFIG_H_
