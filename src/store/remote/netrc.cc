#include "store/remote/netrc.h"

#include <algorithm>

namespace larder {
namespace {

constexpr std::string_view blank = " \t\r\n";

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(blank));
  text.remove_prefix(word.size());
  return word;
}

// Up to the first line with nothing on it.
void pass_over_macro(std::string_view& text) {
  const std::size_t end = text.find("\n\n");
  text.remove_prefix(std::min(end, text.size()));
}

}  // namespace

std::optional<NetrcLogin> find_login(std::string_view netrc, std::string_view host,
                                     std::string_view user) {
  bool fits = false;
  NetrcLogin login;
  const auto is_whole = [&] {
    return fits && !login.user.empty() && !login.password.empty() &&
           (user.empty() || user == login.user);
  };
  while (true) {
    const std::string_view word = next_word(netrc);
    const bool begins = word == "machine" || word == "default";
    if (begins || word.empty()) {
      if (is_whole()) return login;
      if (word.empty()) return std::nullopt;
      login = {};
      fits = word == "default" || next_word(netrc) == host;
    } else if (word == "login") {
      login.user = next_word(netrc);
    } else if (word == "password") {
      login.password = next_word(netrc);
    } else if (word == "account") {
      next_word(netrc);
    } else if (word == "macdef") {
      pass_over_macro(netrc);
    } else if (word.starts_with('#')) {
      netrc.remove_prefix(std::min(netrc.find('\n'), netrc.size()));
    }
  }
}

}  // namespace larder
