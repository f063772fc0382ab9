// Each place that settings come from becomes a layer; the first layer that has a key decides. The
// store's own file can be found only once the layers around it have said where the store is.
#include "larder/config.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "cache/config_file.h"
#include "cache/location.h"
#include "larder/file_system.h"
#include "os/environment.h"

namespace larder {
namespace {

constexpr std::uint64_t default_max_size_bytes = 5ull << 30;
constexpr std::string_view default_max_size_text = "5G";
constexpr const char* environment_keys[] = {"dir",       "max_size", "disable", "readonly",
                                            "must_hit",  "refresh",  "log",     "remote",
                                            "namespace", "key_file"};

std::unexpected<Error> bad(const std::string& origin, const std::string& what) {
  return std::unexpected(Error{.code = Errc::bad_config, .message = origin + ": " + what});
}

// What a parser says of a value; that memory ran out is not the value's fault.
std::unexpected<Error> bad(const std::string& origin, const Error& why) {
  if (why.code == Errc::out_of_memory) return std::unexpected(why);
  return bad(origin, why.message);
}

std::string variable_name(std::string_view key) {
  std::string name = "LARDER_";
  for (const char c : key)
    name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  return name;
}

std::string option_name(std::string_view key) {
  if (key == "dir") return "--store";
  std::string name = "--" + std::string(key);
  std::ranges::replace(name, '_', '-');
  return name;
}

Result<ConfigLayer> argument_layer(const std::map<std::string, std::string>& arguments) {
  ConfigLayer layer;
  for (const auto& [key, value] : arguments) {
    const std::string origin = "argument " + option_name(key);
    LARDER_CHECK_OK(check_key(key, origin));
    layer[key] = {.value = value, .origin = origin};
  }
  return layer;
}

Result<ConfigLayer> environment_layer() {
  ConfigLayer layer;
  for (const char* key : environment_keys) {
    const std::string name = variable_name(key);
    auto value = environment_variable(name.c_str());
    // Build systems set variables to nothing where they mean none.
    if (!value || value->empty()) continue;
    const std::string origin = "environment " + name;
    LARDER_CHECK_OK(check_key(key, origin));
    layer[key] = {.value = std::move(*value), .origin = origin};
  }
  return layer;
}

// nullopt without a home: then there is no such file.
std::optional<std::string> user_config_path() {
  constexpr std::string_view place = "/larder/larder.conf";
  if (auto config = absolute_path_variable("XDG_CONFIG_HOME")) return config->append(place);
  if (auto home = absolute_path_variable("HOME")) return home->append("/.config").append(place);
  return std::nullopt;
}

// The layers in the order of their precedence; the store's own is empty until it is found.
struct Layers {
  enum Place { arguments, environment, store, user, machine, count };
  std::array<ConfigLayer, count> places;

  const ConfiguredValue* find(std::string_view key) const {
    for (const ConfigLayer& layer : places) {
      if (const auto at = layer.find(key); at != layer.end()) return &at->second;
    }
    return nullptr;
  }
};

Result<Layers> read_layers(const ConfigSources& sources, FileSystem& file_system) {
  Layers layers;
  const bool reads_files = sources.files == ConfigFiles::read;
  LARDER_TRY(layers.places[Layers::arguments], argument_layer(sources.arguments));
  if (!file_system.user().elevated) {
    LARDER_TRY(layers.places[Layers::environment], environment_layer());
    if (const auto path = user_config_path(); path && reads_files) {
      LARDER_TRY(layers.places[Layers::user], read_config_file(file_system, *path));
    }
  }
  if (reads_files) {
    LARDER_TRY(layers.places[Layers::machine], read_config_file(file_system, "/etc/larder.conf"));
  }
  return layers;
}

// In a file, a relative path would mean another one wherever the program is started.
bool is_from_file(const Layers& layers, std::string_view key, const ConfiguredValue& value) {
  for (const Layers::Place place : {Layers::user, Layers::machine}) {
    const auto at = layers.places[place].find(key);
    if (at != layers.places[place].end() && &at->second == &value) return true;
  }
  return false;
}

Result<void> find_location(const Layers& layers, FileSystem& file_system, Config& config) {
  std::string origin = "default";
  if (const ConfiguredValue* value = layers.find("dir")) {
    auto location = parse_location(value->value);
    if (!location) return bad(value->origin, location.error());
    config.location = *std::move(location);
    origin = value->origin;
    const std::string& directory = config.location.directory;
    if (is_from_file(layers, "dir", *value) && !directory.empty() && !directory.starts_with('/')) {
      return bad(origin, "`" + directory + "` is not an absolute path; write it out");
    }
  }
  if (config.location.directory.empty()) {
    if (file_system.user().elevated) {
      return std::unexpected(
          Error{.code = Errc::no_home,
                .message = "this process has more rights than its caller and does not believe the "
                           "environment; name a store directory"});
    }
    LARDER_TRY(config.location.directory, default_directory(config.location.kind));
  }
  config.settings.push_back({.key = "dir", .value = config.location.text(), .origin = origin});
  return {};
}

Result<void> read_max_size(const Layers& layers, Config& config) {
  const ConfiguredValue* value = layers.find("max_size");
  if (value == nullptr) {
    const bool limited = config.location.kind != StoreKind::vyre;
    if (limited) config.max_size_bytes = default_max_size_bytes;
    config.settings.push_back({.key = "max_size",
                               .value = limited ? std::string(default_max_size_text) : "none",
                               .origin = "default"});
    return {};
  }
  auto size = parse_size(value->value);
  if (!size) return bad(value->origin, size.error());
  if (*size == 0)
    return bad(value->origin, "a store of no bytes keeps nothing; set `disable` instead");
  config.max_size_bytes = *size;
  config.settings.push_back({.key = "max_size", .value = value->value, .origin = value->origin});
  return {};
}

std::optional<bool> parse_boolean(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const std::string_view yes : {"", "1", "true", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "false", "no", "off"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

Result<void> read_boolean(const Layers& layers, const std::string& key, bool Config::* member,
                          Config& config) {
  const ConfiguredValue* value = layers.find(key);
  if (value == nullptr) {
    config.settings.push_back({.key = key, .value = "false", .origin = "default"});
    return {};
  }
  const auto parsed = parse_boolean(value->value);
  if (!parsed) {
    return bad(value->origin, "`" + value->value + "` is neither true nor false; write 1 or 0");
  }
  config.*member = *parsed;
  config.settings.push_back({.key = key, .value = value->value, .origin = value->origin});
  return {};
}

// Who wants no cache needs no place for it: in a sandbox without a home, `disable` must do.
bool is_disabled(const Layers& layers) {
  Config config;
  return read_boolean(layers, "disable", &Config::disabled, config) && config.disabled;
}

// Nothing in the store's own file could turn the cache on again, nor matter while it is off: then a
// broken file there must not be in the way either.
bool is_disabled_above_store(const Layers& layers) {
  Layers above;
  above.places[Layers::arguments] = layers.places[Layers::arguments];
  above.places[Layers::environment] = layers.places[Layers::environment];
  return is_disabled(above);
}

void read_log(const Layers& layers, Config& config) {
  const ConfiguredValue* value = layers.find("log");
  if (value != nullptr) config.log = value->value;
  config.settings.push_back(
      {.key = "log", .value = config.log, .origin = value == nullptr ? "default" : value->origin});
}

// Empty counts as unset, so it takes a word to do without the tiers of a file below.
bool is_none(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";  // what parts the words of this setting
  const std::size_t first = std::min(text.find_first_not_of(blank), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(blank) + 1) == "none";
}

Result<void> read_remotes(const Layers& layers, Config& config) {
  const ConfiguredValue* value = layers.find("remote");
  if (value == nullptr || is_none(value->value)) {
    config.settings.push_back({.key = "remote",
                               .value = value == nullptr ? "" : "none",
                               .origin = value == nullptr ? "default" : value->origin});
    return {};
  }
  auto remotes = parse_remotes(value->value);
  if (!remotes) return bad(value->origin, remotes.error());
  std::string shown;
  for (const RemoteSetting& remote : *remotes) {
    shown.append(shown.empty() ? "" : " ").append(remote.shown);
  }
  config.remotes = *std::move(remotes);
  config.settings.push_back({.key = "remote", .value = std::move(shown), .origin = value->origin});
  return {};
}

// Empty is no way to say "none": a setting that asks for a key must not be lost by accident.
Result<void> read_key_file_setting(const Layers& layers, Config& config) {
  const ConfiguredValue* value = layers.find("key_file");
  if (value != nullptr) {
    config.key_file = value->value;
    if (config.key_file.empty()) return bad(value->origin, "the name is empty; name a key file");
    if (is_from_file(layers, "key_file", *value) && !config.key_file.starts_with('/')) {
      return bad(value->origin, "`" + config.key_file + "` is not an absolute path; write it out");
    }
  }
  config.settings.push_back({.key = "key_file",
                             .value = config.key_file,
                             .origin = value == nullptr ? "default" : value->origin});
  return {};
}

Result<Config> load(const ConfigSources& sources) {
  FileSystem& file_system =
      sources.file_system == nullptr ? posix_file_system() : *sources.file_system;
  Config config;
  LARDER_TRY(Layers layers, read_layers(sources, file_system));
  auto located = find_location(layers, file_system, config);
  if (located) {
    if (sources.files == ConfigFiles::read && !is_disabled_above_store(layers)) {
      LARDER_TRY(layers.places[Layers::store],
                 read_store_config(file_system, config.location.directory));
    }
  } else if (located.error().code != Errc::no_home || !is_disabled(layers)) {
    return std::unexpected(std::move(located).error());
  }
  LARDER_CHECK_OK(read_max_size(layers, config));
  LARDER_CHECK_OK(read_boolean(layers, "disable", &Config::disabled, config));
  LARDER_CHECK_OK(read_boolean(layers, "readonly", &Config::read_only, config));
  LARDER_CHECK_OK(read_boolean(layers, "must_hit", &Config::must_hit, config));
  LARDER_CHECK_OK(read_boolean(layers, "refresh", &Config::refresh, config));
  read_log(layers, config);
  LARDER_CHECK_OK(read_remotes(layers, config));
  LARDER_CHECK_OK(read_key_file_setting(layers, config));
  return config;
}

}  // namespace

Result<Config> load_config(const ConfigSources& sources) {
  return guarded([&] { return load(sources); });
}

}  // namespace larder
