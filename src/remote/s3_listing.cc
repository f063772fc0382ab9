#include "remote/s3_listing.h"

#include "remote/xml_scan.h"

namespace larder::remote {
namespace {

constexpr bool is_unreserved(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string safe;
  for (const char c : text) {
    if (is_unreserved(c)) {
      safe.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    safe.push_back('%');
    safe.push_back(digits[byte >> 4]);
    safe.push_back(digits[byte & 15]);
  }
  return safe;
}

}  // namespace

S3Page parse_s3_page(std::string_view xml) {
  S3Page page;
  page.is_truncated = text_in(xml, "IsTruncated") == "true";
  if (page.is_truncated) page.next = text_in(xml, "NextContinuationToken").value_or("");
  for (std::size_t at = find_element(xml, "Contents", 0); at != std::string_view::npos;) {
    const std::size_t next = find_element(xml, "Contents", at + 1);
    const std::string_view object = xml.substr(at, next - at);
    const auto key = text_in(object, "Key");
    if (key && !key->contains('&')) {
      page.objects.push_back(
          {.key = std::string(*key), .bytes = to_number(text_in(object, "Size").value_or(""))});
    }
    at = next;
  }
  return page;
}

std::string s3_query(std::string_view prefix, std::string_view token) {
  std::string query = "?";
  if (!token.empty()) query += "continuation-token=" + encoded(token) + "&";
  return query + "list-type=2&prefix=" + encoded(prefix);
}

}  // namespace larder::remote
