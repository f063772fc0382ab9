// The client libraries alone, as somebody would use them who wants one object: what Larder's get is
// compared with.
#ifndef LARDER_BENCH_REMOTE_BARE_H_
#define LARDER_BENCH_REMOTE_BARE_H_

#include <cstdint>
#include <memory>
#include <string>

namespace larder::bench {

// One connection that is kept. Throws runtime_error when a GET fails.
class BareClient {
 public:
  BareClient() = default;
  BareClient(const BareClient&) = delete;
  BareClient& operator=(const BareClient&) = delete;
  virtual ~BareClient() = default;

  // The length of the object.
  virtual std::size_t get(const std::string& name) = 0;
};

std::unique_ptr<BareClient> make_bare_redis(const std::string& host, int port);
std::unique_ptr<BareClient> make_bare_http(const std::string& base_url);

}  // namespace larder::bench

#endif  // LARDER_BENCH_REMOTE_BARE_H_
