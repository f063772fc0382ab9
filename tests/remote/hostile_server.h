// A server that does not do what servers should: it says what a test wants it to say, as slowly as
// it wants, or nothing.
#ifndef LARDER_TESTS_REMOTE_HOSTILE_SERVER_H_
#define LARDER_TESTS_REMOTE_HOSTILE_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace larder {

// What one connection may do. Each call returns false, or nothing, once the server is to end or the
// client has gone.
class Peer {
 public:
  Peer(int socket, const std::atomic<bool>& ends) : socket_(socket), ends_(ends) {}

  // Some bytes of the client's; empty at the end.
  std::string read();
  bool say(std::string_view text);
  void hang();  // reads nothing, says nothing, and does not close

  int socket() const { return socket_; }
  bool ends() const { return ends_; }  // the server is to end

 private:
  const int socket_;
  const std::atomic<bool>& ends_;
};

enum class Serves { one_at_a_time, all_at_once };

// Serves connections on a port of 127.0.0.1; each is closed when `serve` returns.
class HostileServer {
 public:
  explicit HostileServer(std::function<void(Peer&)> serve, Serves serves = Serves::one_at_a_time);
  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;
  ~HostileServer();

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void run();
  void serve(int client);

  const std::function<void(Peer&)> serve_;
  const Serves serves_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ends_ = false;
  std::atomic<int> connections_ = 0;
  std::jthread thread_;
  std::vector<std::jthread> peers_;  // of all_at_once
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_HOSTILE_SERVER_H_
