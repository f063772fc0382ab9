// A redis-server of a test's own.
#ifndef LARDER_TESTS_REMOTE_REDIS_SERVER_H_
#define LARDER_TESTS_REMOTE_REDIS_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/remote/server.h"

namespace larder {

class RedisServer {
 public:
  explicit RedisServer(const std::vector<std::string>& settings = {}) {
    std::vector<std::string> command = {"redis-server",
                                        "--port",
                                        std::to_string(port_),
                                        "--bind",
                                        "127.0.0.1",
                                        "--unixsocket",
                                        socket(),
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--dir",
                                        directory_.path().string()};
    command.insert(command.end(), settings.begin(), settings.end());
    process_ = std::make_unique<ServerProcess>(command, directory_.path());
    EXPECT_TRUE(ServerProcess::comes_up(
        [&] { return accepts_at(port_) && accepts_at(std::filesystem::path(socket())); }));
  }

  std::string socket() const { return directory_.path() / "socket"; }
  std::uint16_t port() const { return port_; }
  std::string tcp_url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  std::string socket_url() const { return "redis+unix://" + socket(); }
  const ServerDirectory& directory() const { return directory_; }
  ServerProcess& process() { return *process_; }

 private:
  const ServerDirectory directory_;
  const std::uint16_t port_ = free_port();
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_REDIS_SERVER_H_
