// The file in which programs look for who they are on which host: `machine NAME login USER password
// SECRET`, and `default` in place of `machine NAME` for all others.
#ifndef LARDER_STORE_REMOTE_NETRC_H_
#define LARDER_STORE_REMOTE_NETRC_H_

#include <optional>
#include <string>
#include <string_view>

namespace larder {

struct NetrcLogin {
  std::string user;
  std::string password;
};

// Of the first entry that fits the host and, where it is not empty, the user. An entry without both
// words fits nobody. Words are as they stand; macros are passed over.
std::optional<NetrcLogin> find_login(std::string_view netrc, std::string_view host,
                                     std::string_view user);

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_NETRC_H_
