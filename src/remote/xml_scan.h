// Enough of XML to read what servers list: elements by their names, whatever their namespaces. Not
// a parser; reads untrusted text safely.
#ifndef LARDER_REMOTE_XML_SCAN_H_
#define LARDER_REMOTE_XML_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace larder::remote {

// The place of the `<` of the next element of that name; npos: there is none.
std::size_t find_element(std::string_view xml, std::string_view name, std::size_t from) noexcept;

// The text right behind the opening tag of the first element of that name.
std::optional<std::string_view> text_in(std::string_view xml, std::string_view name) noexcept;

// Whether there is an element of that name, and nothing ends behind it: what was cut off, and what
// is of another kind, is not.
bool is_whole(std::string_view xml, std::string_view name) noexcept;

// 0 when it is no number.
std::uint64_t to_number(std::string_view text) noexcept;

}  // namespace larder::remote

#endif  // LARDER_REMOTE_XML_SCAN_H_
