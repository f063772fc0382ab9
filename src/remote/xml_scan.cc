#include "remote/xml_scan.h"

#include <charconv>

namespace larder::remote {
namespace {

// Whoever sends a million `<` gets no more than that of each looked at.
constexpr std::size_t longest_name = 256;

// The local name of the tag whose name begins at `at`: of `D:href lang="x">` href.
std::string_view name_at(std::string_view xml, std::size_t at) noexcept {
  std::string_view name = xml.substr(at, longest_name);
  const std::size_t end = name.find_first_of(" \t\r\n/>");
  if (end == std::string_view::npos) return {};
  name = name.substr(0, end);
  const std::size_t colon = name.find(':');
  if (colon != std::string_view::npos) name.remove_prefix(colon + 1);
  return name;
}

}  // namespace

std::size_t find_element(std::string_view xml, std::string_view name, std::size_t from) noexcept {
  for (std::size_t at = xml.find('<', from); at != std::string_view::npos;
       at = xml.find('<', at + 1)) {
    if (name_at(xml, at + 1) == name) return at;
  }
  return std::string_view::npos;
}

std::optional<std::string_view> text_in(std::string_view xml, std::string_view name) noexcept {
  const std::size_t at = find_element(xml, name, 0);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = xml.find('>', at);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = xml.find('<', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return xml.substr(begin + 1, end - begin - 1);
}

bool is_whole(std::string_view xml, std::string_view name) noexcept {
  const std::size_t begin = find_element(xml, name, 0);
  if (begin == std::string_view::npos) return false;
  const std::string_view tag = xml.substr(begin, xml.substr(begin).find('>'));
  const std::size_t end = xml.rfind("</");
  if (end == std::string_view::npos) return tag.ends_with('/');  // alone, and empty
  return name_at(xml, end + 2) == name && begin < end;
}

std::uint64_t to_number(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace larder::remote
