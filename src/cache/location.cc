#include "cache/location.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "os/environment.h"

namespace larder {
namespace {

constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool is_word_character(char c) noexcept {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == '_';
}

// The word before a colon that comes before the first slash; empty when there is none.
std::string_view scheme_of(std::string_view text) {
  const std::size_t colon = text.substr(0, text.find('/')).find(':');
  if (colon == std::string_view::npos || colon == 0 || text.front() == '.') return {};
  const std::string_view word = text.substr(0, colon);
  return std::ranges::all_of(word, is_word_character) ? word : std::string_view();
}

std::string_view place_in_cache_directory(StoreKind kind) {
  return kind == StoreKind::vyre ? "/vyre/pipelines" : "/larder";
}

}  // namespace

std::string Location::text() const {
  switch (kind) {
    case StoreKind::pack: return "pack:" + directory;
    case StoreKind::file: return "file:" + directory;
    case StoreKind::vyre: return "vyre:" + directory;
    case StoreKind::automatic: break;
  }
  return scheme_of(directory).empty() ? directory : "./" + directory;
}

Result<Location> parse_location(std::string_view text) {
  return guarded([&]() -> Result<Location> {
    if (text.empty()) {
      return std::unexpected(Error{.code = Errc::invalid_argument,
                                   .message = "the store's name is empty; name a directory"});
    }
    const std::string_view scheme = scheme_of(text);
    if (scheme.empty())
      return Location{.kind = StoreKind::automatic, .directory = std::string(text)};

    const std::string directory(text.substr(scheme.size() + 1));
    if (scheme == "pack") return Location{.kind = StoreKind::pack, .directory = directory};
    if (scheme == "file") return Location{.kind = StoreKind::file, .directory = directory};
    if (scheme == "vyre") return Location{.kind = StoreKind::vyre, .directory = directory};
    return std::unexpected(
        Error{.code = Errc::invalid_argument,
              .message = "`" + std::string(scheme) +
                         ":` is no kind of store; use pack:, file: or vyre:, or write ./" +
                         std::string(text) + " for a directory of that name"});
  });
}

std::optional<std::string> absolute_path_variable(const char* name) {
  auto value = environment_variable(name);
  if (!value || !value->starts_with('/')) return std::nullopt;
  return value;
}

Result<std::string> default_directory(StoreKind kind) {
  return guarded([&]() -> Result<std::string> {
    const std::string place(place_in_cache_directory(kind));
    if (const auto cache = absolute_path_variable("XDG_CACHE_HOME")) return *cache + place;
    if (const auto home = absolute_path_variable("HOME")) return *home + "/.cache" + place;
    return std::unexpected(Error{
        .code = Errc::no_home,
        .message = "there is no user cache directory: neither XDG_CACHE_HOME nor HOME is set to "
                   "an absolute path; set one of them, or name a store directory"});
  });
}

}  // namespace larder
