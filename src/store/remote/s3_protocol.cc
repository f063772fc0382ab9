// s3://bucket[/prefix] [@endpoint=URL] [@region=NAME] [@style=path|virtual]
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "larder/file_system.h"
#include "remote/http_transport.h"
#include "store/remote/aws_credentials.h"
#include "store/remote/protocols.h"
#include "store/remote/secrets.h"

namespace larder {
namespace {

std::unexpected<Error> wrong(std::string_view what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::string(what)});
}

// Amazon's own wants the bucket in the host's name, most others in the path.
Result<std::string> bucket_url(const remote::Url& url, const std::string& region,
                               Attributes& attributes) {
  const auto endpoint = attributes.take("endpoint");
  const std::string style = attributes.take("style").value_or(endpoint ? "path" : "virtual");
  LARDER_TRY(remote::Url server,
             remote::parse_url(endpoint.value_or("https://s3." + region + ".amazonaws.com")));
  if (server.scheme != "http" && server.scheme != "https") {
    return wrong("@endpoint is no http:// or https:// URL");
  }
  if (style == "path") {
    server.path += "/" + url.host;
  } else if (style == "virtual") {
    server.host = url.host + "." + server.host;
  } else {
    return wrong("@style is neither path nor virtual");
  }
  return server.shown();
}

// It becomes part of a header.
bool is_region(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

Result<MakeTransport> s3_protocol(const remote::Url& url, Attributes& attributes) {
  if (url.host.empty() || url.port || !url.user.empty()) {
    return wrong("write s3://bucket/prefix, and the server as @endpoint=URL");
  }
  if (url.path.contains('%')) {
    return wrong("the prefix has a `%` in it; write one of letters, digits and `-._~+:/`");
  }
  auto configured = aws_variable("AWS_REGION");
  if (!configured) configured = aws_variable("AWS_DEFAULT_REGION");
  remote::HttpEndpoint endpoint{.shown = url.shown()};
  const std::string region = attributes.take("region").value_or(configured.value_or("us-east-1"));
  if (!is_region(region)) {
    return wrong("the region is not of letters, digits and `-`; mend @region, or leave it out");
  }
  endpoint.aws_region = region;
  LARDER_TRY(endpoint.bucket_url, bucket_url(url, region, attributes));
  endpoint.base = endpoint.bucket_url + url.path;
  if (!url.path.empty()) endpoint.key_prefix = url.path.substr(1) + "/";
  LARDER_TRY(endpoint.ca_file, take_ca_file(posix_file_system(), attributes));
  LARDER_TRY(AwsCredentials keys,
             find_aws_credentials(posix_file_system(), {.file = attributes.take("credentials-file"),
                                                        .profile = attributes.take("profile")}));
  endpoint.user = std::move(keys.access_key);
  endpoint.password = std::move(keys.secret_key);
  endpoint.aws_session_token = std::move(keys.session_token);
  return MakeTransport([endpoint] { return make_http_transport(endpoint, remote::Dialect::s3); });
}

}  // namespace larder
