// Stands between a client and a real server, and makes trouble on the way back.
#ifndef LARDER_TESTS_REMOTE_TROUBLE_PROXY_H_
#define LARDER_TESTS_REMOTE_TROUBLE_PROXY_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "tests/remote/hostile_server.h"

namespace larder {

enum class OnTheWay {
  nothing,  // all passes
  cut,      // after as many bytes of the server's as are let through, the connection is closed
  drip,     // then one byte at a time, 20 ms apart
  silence,  // then nothing more, and the connection stays
};

class TroubleProxy {
 public:
  explicit TroubleProxy(std::uint16_t server_port);

  std::uint16_t port() const { return proxy_.port(); }

  // From now on, for every connection.
  void make(OnTheWay trouble, std::uint64_t after_bytes);

 private:
  void relay(Peer& client) const;
  bool pass_back(Peer& client, std::string_view bytes) const;

  const std::uint16_t server_port_;
  std::atomic<OnTheWay> trouble_ = OnTheWay::nothing;
  mutable std::atomic<std::uint64_t> let_through_ = 0;
  HostileServer proxy_;  // the last one: its threads use the others
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_TROUBLE_PROXY_H_
