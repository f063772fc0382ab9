#include <charconv>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "larder/file_system.h"
#include "remote/redis_cluster_transport.h"
#include "remote/redis_transport.h"
#include "store/remote/protocols.h"
#include "store/remote/secrets.h"

namespace larder {
namespace {

std::unexpected<Error> wrong(std::string_view what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::string(what)});
}

Result<std::uint32_t> to_database(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    // What stands there may be a secret in a wrong place.
    return wrong("the database is no number; write redis://host[:port]/number or @database=number");
  }
  return number;
}

Result<void> read_password(remote::RedisEndpoint& endpoint, Attributes& attributes) {
  if (const auto path = attributes.take("password-file")) {
    LARDER_TRY(endpoint.password, read_secret_file(posix_file_system(), *path));
  } else if (!endpoint.user.empty()) {
    return wrong("a user needs a password; name its file with @password-file=PATH");
  }
  return {};
}

Result<MakeTransport> with_secrets(remote::RedisEndpoint endpoint, Attributes& attributes) {
  LARDER_CHECK_OK(read_password(endpoint, attributes));
  return MakeTransport([endpoint] { return remote::make_redis_transport(endpoint); });
}

}  // namespace

// redis://[user@]host[:port][/database]
Result<MakeTransport> redis_protocol(const remote::Url& url, Attributes& attributes) {
  if (url.host.empty()) return wrong("there is no host; write redis://host[:port]");
  remote::RedisEndpoint endpoint{.host = url.host, .user = url.user, .shown = url.shown()};
  if (url.port) endpoint.port = *url.port;
  if (!url.path.empty()) {
    LARDER_TRY(endpoint.database, to_database(std::string_view(url.path).substr(1)));
  }
  return with_secrets(std::move(endpoint), attributes);
}

// redis-cluster://[user@]host[:port][,host[:port]...]
Result<MakeTransport> redis_cluster_protocol(const remote::Url& url, Attributes& attributes) {
  if (url.host.empty() || !url.path.empty()) {
    return wrong("write redis-cluster://host[:port],host[:port]; a cluster has no databases");
  }
  remote::RedisClusterOptions options{.endpoint = {.user = url.user, .shown = url.shown()},
                                      .may_leave = !url.is_local()};
  const std::uint16_t usual_port = options.endpoint.port;
  options.seeds.push_back({url.host, url.port.value_or(usual_port)});
  for (const remote::HostAndPort& other : url.others) {
    options.seeds.push_back({other.host, other.port.value_or(usual_port)});
  }
  LARDER_CHECK_OK(read_password(options.endpoint, attributes));
  return MakeTransport([options] { return remote::make_redis_cluster_transport(options); });
}

// redis+unix://[user@]/path/of/the/socket [@database=N]
Result<MakeTransport> redis_socket_protocol(const remote::Url& url, Attributes& attributes) {
  if (!url.host.empty() || url.port || url.path.empty()) {
    return wrong("write redis+unix:///path/of/the/socket, with three slashes");
  }
  LARDER_TRY(std::string path, remote::percent_decoded(url.path));
  constexpr std::size_t longest_path = 107;  // of a socket; unix(7)
  if (path.size() > longest_path || path.contains('\0')) {
    return wrong("the path is too long for a socket, or has a zero byte in it; choose another one");
  }
  remote::RedisEndpoint endpoint{
      .socket_path = std::move(path), .user = url.user, .shown = url.shown()};
  if (const auto database = attributes.take("database")) {
    LARDER_TRY(endpoint.database, to_database(*database));
  }
  return with_secrets(std::move(endpoint), attributes);
}

}  // namespace larder
