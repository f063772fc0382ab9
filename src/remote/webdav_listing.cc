#include "remote/webdav_listing.h"

#include <optional>

#include "remote/xml_scan.h"

namespace larder::remote {
namespace {

// Some servers give a whole URL.
std::string_view path_of(std::string_view href) noexcept {
  const std::size_t scheme = href.find("://");
  if (scheme == std::string_view::npos) return href;
  const std::size_t slash = href.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : href.substr(slash);
}

std::optional<Member> member_of(std::string_view response, std::string_view path) {
  const auto href = text_in(response, "href");
  if (!href) return std::nullopt;
  std::string_view name = path_of(*href);
  if (!name.starts_with(path)) return std::nullopt;
  name.remove_prefix(path.size());
  if (name.ends_with('/')) name.remove_suffix(1);
  if (name == "." || name == "..") return std::nullopt;
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
