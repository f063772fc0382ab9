#include "remote/url.h"

#include <algorithm>
#include <charconv>

#include "base/try.h"

namespace larder::remote {
namespace {

std::unexpected<Error> wrong(std::string_view what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::string(what)});
}

constexpr bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr bool is_plain(char c) noexcept {
  return is_letter_or_digit(c) || std::string_view("-._~+:/%").contains(c);
}

bool is_host(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

// Of version 6: those of version 4, and names, stand without.
bool is_address_in_brackets(std::string_view text) noexcept {
  return text.starts_with('[') && text.ends_with(']') && text.contains(':') &&
         std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) {
           return is_letter_or_digit(c) || c == ':' || c == '.' || c == '%';
         });
}

Result<void> read_port(std::string_view text, HostAndPort& place) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return wrong("the port is no number from 1 to 65535");
  }
  place.port = port;
  return {};
}

Result<HostAndPort> read_place(std::string_view text) {
  HostAndPort place;
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    LARDER_CHECK_OK(read_port(text.substr(colon + 1), place));
    text = text.substr(0, colon);
  }
  if (is_address_in_brackets(text)) {
    place.host = text.substr(1, text.size() - 2);
  } else if (is_host(text) || text == "*") {
    place.host = text;
  } else {
    return wrong("there is no host; write scheme://host[:port]/path");
  }
  return place;
}

Result<void> read_hosts(std::string_view text, Url& url) {
  for (bool is_first = true;; is_first = false) {
    const std::size_t comma = text.find(',');
    LARDER_TRY(HostAndPort place, read_place(text.substr(0, comma)));
    if (is_first) {
      url.host = std::move(place.host);
      url.port = place.port;
    } else {
      url.others.push_back(std::move(place));
    }
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

Result<void> read_authority(std::string_view text, Url& url) {
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    if (user.contains(':')) {
      return wrong(
          "a password stands in the URL, where others see it; name its file with "
          "@password-file=PATH");
    }
    url.user = user;
    text = text.substr(at + 1);
  }
  return read_hosts(text, url);
}

int to_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// 127.0.0.0/8, as four numbers: what looks like one and is none would be looked up as a name.
bool is_loopback_address(std::string_view host) noexcept {
  constexpr int parts = 4;
  for (int part = 0; part < parts; ++part) {
    std::uint8_t number = 0;
    const auto [end, error] = std::from_chars(host.data(), host.data() + host.size(), number);
    if (error != std::errc() || (part == 0 && number != 127)) return false;
    host.remove_prefix(static_cast<std::size_t>(end - host.data()));
    if (host.empty() != (part == parts - 1)) return false;
    if (!host.empty() && host.front() != '.') return false;
    host.remove_prefix(std::min<std::size_t>(host.size(), 1));
  }
  return true;
}

bool is_one_or_two_dots(std::string_view segment) noexcept {
  int dots = 0;
  for (; !segment.empty(); ++dots) {
    if (segment.starts_with('.')) {
      segment.remove_prefix(1);
    } else if (segment.starts_with("%2e") || segment.starts_with("%2E")) {
      segment.remove_prefix(3);
    } else {
      return false;
    }
  }
  return dots == 1 || dots == 2;
}

// libcurl takes such segments out, and then a server's answers name other paths than were asked
// for.
bool has_dot_segments(std::string_view path) noexcept {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (is_one_or_two_dots(path.substr(0, end))) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

std::string shown_place(const std::string& host, std::optional<std::uint16_t> port) {
  const std::string name = host.contains(':') ? "[" + host + "]" : host;
  return port ? name + ":" + std::to_string(*port) : name;
}

}  // namespace

Result<std::string> percent_decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? to_digit(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : to_digit(text[i + 2]);
    if (low < 0) return wrong("a `%` is not followed by two hex digits; write %25 for it");
    bytes.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return bytes;
}

bool is_local_host(std::string_view host) noexcept {
  return host.empty() || host == "localhost" || host == "::1" || is_loopback_address(host);
}

Result<Url> parse_url(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) {
    return wrong("there is no scheme; write scheme://host[:port]/path");
  }
  const std::string_view behind = text.substr(end + 3);
  const std::string_view first = behind.substr(0, behind.find('/'));
  if (first.ends_with(':') && first.contains(',')) {
    return wrong(
        "two URLs in one word; write a blank between tiers, and `shards` for several servers of "
        "one");
  }
  Url url{.scheme = std::string(text.substr(0, end)), .user = {}, .host = {}, .port = {}};
  text = text.substr(end + 3);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view path = text.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  const std::string_view authority = text.substr(0, slash);
  if (!authority.empty()) LARDER_CHECK_OK(read_authority(authority, url));
  const bool plain = std::ranges::all_of(url.path, is_plain) &&
                     std::ranges::all_of(url.user, is_plain) &&
                     std::ranges::all_of(url.scheme, is_plain);
  if (!plain) return wrong("a character in the URL is not allowed there; write it as %XX");
  if (has_dot_segments(url.path)) {
    return wrong("`.` or `..` is a part of the path; write the path without it");
  }
  LARDER_TRY(url.user, percent_decoded(url.user));
  return url;
}

std::string Url::shown() const {
  std::string text = scheme + "://" + shown_place(host, port);
  for (const HostAndPort& other : others) text += "," + shown_place(other.host, other.port);
  const bool is_database = (scheme == "redis" || scheme == "redis-cluster") && !path.empty();
  const bool is_number = std::ranges::all_of(path.substr(is_database ? 1 : 0),
                                             [](char c) { return c >= '0' && c <= '9'; });
  // A secret in a wrong place, perhaps.
  return text + (is_database && !is_number ? "/..." : path);
}

bool Url::is_local() const noexcept {
  return is_local_host(host) && std::ranges::all_of(others, [](const HostAndPort& other) {
           return is_local_host(other.host);
         });
}

}  // namespace larder::remote
