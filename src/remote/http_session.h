// Requests over HTTP, by libcurl: several at a time, over connections that are kept.
#ifndef LARDER_REMOTE_HTTP_SESSION_H_
#define LARDER_REMOTE_HTTP_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "remote/transport.h"

namespace larder::remote {

struct HttpEndpoint {
  std::string base = {};  // the URL that names are below, without a last slash
  std::string user = {};
  std::string password = {};
  std::string bearer_token = {};
  std::string ca_file = {};  // empty: the certificates that the system trusts
  std::string shown = {};    // for messages, without secrets

  // Set: requests are signed as S3 wants it, `user` is the access key, `password` the secret, which
  // is never sent.
  std::optional<std::string> aws_region = {};
  std::string aws_session_token = {};
  std::string bucket_url = {};  // where listings are asked for
  std::string key_prefix = {};  // of all keys, with its last slash; `base` has it already

  // What the caller demands of every artifact of a server of the `vyre` layout.
  std::string source_provenance = {};
  std::string device_compatibility = {};
};

// Of an answer of 2xx; the others are for people.
enum class Body { wanted, passed_over };

struct HttpRequest {
  const char* method = "GET";
  std::string url = {};
  std::vector<std::string> headers = {};
  std::optional<Pieces> body = {};
  std::uint64_t max_answer_bytes = 0;
  Body answer_body = Body::wanted;
  std::span<const char* const> wanted_headers = {};
};

struct HttpAnswer {
  long status = 0;
  // Of an answer of 2xx; whole.
  std::optional<ArtifactBuffer> body = {};
  std::optional<std::uint64_t> content_length = {};  // as it was announced
  // The wanted ones in their order, empty where there is none.
  std::vector<std::string> headers = {};
};

// Of the value of a Date header, in seconds since 1970; nullopt when it is none.
std::optional<std::int64_t> parse_http_date(const std::string& text) noexcept;

// One thread at a time.
class HttpSession {
 public:
  static constexpr std::size_t most_parallel = 8;

  // Throws bad_alloc.
  static std::unique_ptr<HttpSession> make(const HttpEndpoint& endpoint);
  HttpSession() = default;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;
  virtual ~HttpSession() = default;

  // An answer to each request, whatever its status, in the same order; most_parallel are under way
  // at a time. Redirections within the same host are followed, others are io_error. Once one
  // request finds the server silent or gone, no further one is sent: they fail as it did. Errors as
  // transport.h lists them.
  virtual std::vector<Result<HttpAnswer>> perform_all(std::span<const HttpRequest> requests,
                                                      const Patience& patience) = 0;

  Result<HttpAnswer> perform(const HttpRequest& request, const Patience& patience) {
    return std::move(perform_all({&request, 1}, patience).front());
  }
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_HTTP_SESSION_H_
