// The URL of a remote tier, taken apart: scheme://[user@]host[:port][/path]. No library: what is
// accepted has to be exactly what is understood, and a password in it has to be refused.
#ifndef LARDER_REMOTE_URL_H_
#define LARDER_REMOTE_URL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "larder/error.h"

namespace larder::remote {

struct HostAndPort {
  std::string host;
  std::optional<std::uint16_t> port;
};

// %XX as the byte that it stands for. invalid_argument where a `%` stands for none.
Result<std::string> percent_decoded(std::string_view text);

struct Url {
  std::string scheme;
  std::string user;
  std::string host;  // of an IPv6 address without the brackets; `*`: to be filled in
  std::optional<std::uint16_t> port;
  std::vector<HostAndPort> others = {};  // behind commas: scheme://host,host:port
  std::string path = {};                 // with its first slash, without a last one; may be empty

  // The whole again, but for the user: as messages, logs and statistics show it.
  std::string shown() const;

  // Whether nothing leaves this machine on the way there.
  bool is_local() const noexcept;

  // Whether nobody writes to such a server.
  bool is_only_read() const noexcept { return scheme.starts_with("vyre+"); }
};

// Whether it is this machine; an empty one is.
bool is_local_host(std::string_view host) noexcept;

// invalid_argument says what is wrong; a password that stands in it is not repeated.
Result<Url> parse_url(std::string_view text);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_URL_H_
