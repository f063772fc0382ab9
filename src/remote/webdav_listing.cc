#include "remote/webdav_listing.h"

#include <charconv>
#include <optional>

namespace larder::remote {
namespace {

// The local name of the element that begins with the `<` at `at`: of `<D:href lang="x">` href.
std::string_view name_at(std::string_view xml, std::size_t at) noexcept {
  const std::size_t end = xml.find_first_of(" \t\r\n/>", at + 1);
  if (end == std::string_view::npos) return {};
  std::string_view name = xml.substr(at + 1, end - at - 1);
  const std::size_t colon = name.find(':');
  if (colon != std::string_view::npos) name.remove_prefix(colon + 1);
  return name;
}

// The place of the `<` of the next element of that name; npos: there is none.
std::size_t find_element(std::string_view xml, std::string_view name, std::size_t from) noexcept {
  for (std::size_t at = xml.find('<', from); at != std::string_view::npos;
       at = xml.find('<', at + 1)) {
    if (name_at(xml, at) == name) return at;
  }
  return std::string_view::npos;
}

// The text right behind the opening tag of the first element of that name.
std::optional<std::string_view> text_in(std::string_view xml, std::string_view name) noexcept {
  const std::size_t at = find_element(xml, name, 0);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = xml.find('>', at);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = xml.find('<', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return xml.substr(begin + 1, end - begin - 1);
}

// Some servers give a whole URL.
std::string_view path_of(std::string_view href) noexcept {
  const std::size_t scheme = href.find("://");
  if (scheme == std::string_view::npos) return href;
  const std::size_t slash = href.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : href.substr(slash);
}

std::uint64_t to_number(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::optional<Member> member_of(std::string_view response, std::string_view path) {
  const auto href = text_in(response, "href");
  if (!href) return std::nullopt;
  std::string_view name = path_of(*href);
  if (!name.starts_with(path)) return std::nullopt;
  name.remove_prefix(path.size());
  if (name.ends_with('/')) name.remove_suffix(1);
  if (name.empty() || name.find_first_of("/%&") != std::string_view::npos) return std::nullopt;
  Member member{.name = std::string(name)};
  member.is_collection = find_element(response, "collection", 0) != std::string_view::npos;
  member.bytes = to_number(text_in(response, "getcontentlength").value_or(""));
  return member;
}

}  // namespace

std::vector<Member> parse_multistatus(std::string_view xml, std::string_view path) {
  std::vector<Member> members;
  std::size_t at = find_element(xml, "response", 0);
  while (at != std::string_view::npos) {
    const std::size_t next = find_element(xml, "response", at + 1);
    if (auto member = member_of(xml.substr(at, next - at), path)) {
      members.push_back(*std::move(member));
    }
    at = next;
  }
  return members;
}

}  // namespace larder::remote
