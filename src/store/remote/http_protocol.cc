#include <algorithm>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "larder/file_system.h"
#include "remote/http_transport.h"
#include "store/remote/netrc.h"
#include "store/remote/protocols.h"
#include "store/remote/secrets.h"

namespace larder {
namespace {

using remote::Dialect;

std::unexpected<Error> wrong(std::string_view what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::string(what)});
}

Result<void> read_netrc(remote::HttpEndpoint& endpoint, const std::string& host,
                        const std::string& path) {
  LARDER_TRY(const std::string text, read_private_file(posix_file_system(), path));
  auto login = find_login(text, host, endpoint.user);
  if (!login) return wrong(path + " has no login and password for " + host + "; add them");
  endpoint.user = std::move(login->user);
  endpoint.password = std::move(login->password);
  return {};
}

Result<void> read_secrets(remote::HttpEndpoint& endpoint, const std::string& host,
                          Attributes& attributes) {
  const auto password_file = attributes.take("password-file");
  const auto token_file = attributes.take("bearer-token-file");
  const auto token_variable = attributes.take("bearer-token-env");
  const auto netrc_file = attributes.take("netrc-file");
  const bool given[] = {password_file.has_value(), token_file.has_value(),
                        token_variable.has_value(), netrc_file.has_value()};
  if (std::ranges::count(given, true) > 1)
    return wrong("there is more than one secret; leave all but one out");
  if (password_file && endpoint.user.empty()) {
    return wrong("@password-file needs a user; write it before the host, as in //user@host");
  }
  if (netrc_file) return read_netrc(endpoint, host, *netrc_file);
  if (!password_file && !endpoint.user.empty()) {
    return wrong("a user needs a password; name its file with @password-file=PATH");
  }
  if (password_file) {
    LARDER_TRY(endpoint.password, read_secret_file(posix_file_system(), *password_file));
  } else if (token_file) {
    LARDER_TRY(endpoint.bearer_token, read_secret_file(posix_file_system(), *token_file));
  } else if (token_variable) {
    LARDER_TRY(endpoint.bearer_token, read_secret_variable(*token_variable));
  }
  return {};
}

Result<remote::HttpEndpoint> endpoint_of(const remote::Url& url, std::string scheme,
                                         Attributes& attributes) {
  if (url.host.empty()) return wrong("there is no host; write " + url.scheme + "://host/path");
  remote::Url base = url;
  base.scheme = std::move(scheme);
  remote::HttpEndpoint endpoint{.base = base.shown(), .user = url.user, .shown = url.shown()};
  LARDER_CHECK_OK(read_secrets(endpoint, url.host, attributes));
  LARDER_TRY(endpoint.ca_file, take_ca_file(posix_file_system(), attributes));
  return endpoint;
}

Result<MakeTransport> open_with(const remote::Url& url, std::string scheme, Dialect dialect,
                                Attributes& attributes) {
  LARDER_TRY(auto endpoint, endpoint_of(url, std::move(scheme), attributes));
  return MakeTransport([endpoint, dialect] { return make_http_transport(endpoint, dialect); });
}

}  // namespace

Result<MakeTransport> http_protocol(const remote::Url& url, Attributes& attributes) {
  return open_with(url, url.scheme, Dialect::http, attributes);
}

Result<MakeTransport> webdav_protocol(const remote::Url& url, Attributes& attributes) {
  return open_with(url, url.scheme == "webdavs" ? "https" : "http", Dialect::webdav, attributes);
}

// vyre+http://host/path @source-provenance=TEXT @device-compatibility=TEXT
Result<MakeTransport> vyre_protocol(const remote::Url& url, Attributes& attributes) {
  const std::string scheme = url.scheme.substr(std::string_view("vyre+").size());
  LARDER_TRY(auto endpoint, endpoint_of(url, scheme, attributes));
  endpoint.source_provenance = attributes.take("source-provenance").value_or("");
  endpoint.device_compatibility = attributes.take("device-compatibility").value_or("");
  if (endpoint.source_provenance.empty() || endpoint.device_compatibility.empty()) {
    return wrong("say what is demanded, with @source-provenance and @device-compatibility");
  }
  return MakeTransport([endpoint] { return make_http_transport(endpoint, Dialect::vyre); });
}

}  // namespace larder
