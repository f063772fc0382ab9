// Requests over HTTP, by libcurl: one at a time, over connections that are kept.
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

  // Not empty: requests are signed as S3 wants it, `user` is the access key, `password` the secret.
  std::string aws_region = {};
  std::string aws_session_token = {};
  std::string bucket_url = {};  // where listings are asked for
  std::string key_prefix = {};  // of all keys, with its last slash; `base` has it already
};

struct HttpRequest {
  const char* method = "GET";
  std::string url;
  std::vector<std::string> headers = {};
  std::optional<Pieces> body = {};
  std::uint64_t max_answer_bytes = 0;
};

struct HttpAnswer {
  long status = 0;
  // Of an answer of 2xx; whole.
  std::optional<ArtifactBuffer> body = {};
  std::optional<std::uint64_t> content_length = {};  // as it was announced
};

// One thread at a time.
class HttpSession {
 public:
  // Throws bad_alloc.
  static std::unique_ptr<HttpSession> make(const HttpEndpoint& endpoint);
  HttpSession() = default;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;
  virtual ~HttpSession() = default;

  // The answer, whatever its status; redirections within the same host are followed, others are
  // io_error. Errors as transport.h lists them.
  virtual Result<HttpAnswer> perform(const HttpRequest& request, const Patience& patience) = 0;
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_HTTP_SESSION_H_
