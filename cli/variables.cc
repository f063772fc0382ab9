#include "variables.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace larder::cli {
namespace {

constexpr std::string_view prefix = "LARDER_";

bool is_setting(const Config& config, std::string key) {
  std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(config.settings, key, &Setting::key) != config.settings.end();
}

}  // namespace

std::string unknown_variables(const Config& config) {
  std::string names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (!text.starts_with(prefix) || equals == std::string_view::npos) continue;
    const std::string name(text.substr(0, equals));
    if (equals + 1 == text.size() || is_setting(config, name.substr(prefix.size()))) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "" : names + ": no setting has that name; docs/CLI.md lists them";
}

}  // namespace larder::cli
