#include "format/marker.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/hex.h"
#include "base/try.h"

namespace larder::format {
namespace {

std::unexpected<Error> not_a_marker() {
  return std::unexpected(Error{.code = Errc::not_a_store, .message = "not a marker of Larder"});
}

// The rest of the next line when it starts with `word`; `text` moves behind it.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view word) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(word)) return std::nullopt;
  const std::string_view rest = text.substr(word.size(), end - word.size());
  text.remove_prefix(end + 1);
  return rest;
}

}  // namespace

std::string encode_marker(const Marker& marker) {
  return "larder store\nkind " + marker.kind + "\nversion " + std::to_string(marker.version) +
         "\nid " + marker.id + "\n";
}

Result<Marker> decode_marker(std::string_view text) {
  Marker marker;
  const auto first = take_line(text, "larder store");
  const auto kind = take_line(text, "kind ");
  const auto version = take_line(text, "version ");
  if (!first || !first->empty() || !kind || kind->empty() || !version) return not_a_marker();
  const auto [end, error] =
      std::from_chars(version->data(), version->data() + version->size(), marker.version);
  const bool is_number = error == std::errc() && end == version->data() + version->size();
  if (!is_number || version->starts_with('0')) return not_a_marker();  // one number, one text
  if (marker.version > store_version) {
    return std::unexpected(Error{.code = Errc::unsupported_version,
                                 .message = "written by a newer Larder (store version " +
                                            std::to_string(marker.version) + ", this one knows " +
                                            std::to_string(store_version) +
                                            "); upgrade Larder or name another directory"});
  }
  const auto id = take_line(text, "id ");
  const bool sound = id && id->size() == 32 && text.empty() &&
                     std::ranges::all_of(*id, [](char c) { return hex_digit(c) >= 0; });
  if (!sound) return not_a_marker();
  marker.kind = *kind;
  marker.id = *id;
  return marker;
}

}  // namespace larder::format
