// An Apache of a test's own, with mod_dav. One process: children would outlive a parent that is
// killed.
#ifndef LARDER_TESTS_REMOTE_APACHE_SERVER_H_
#define LARDER_TESTS_REMOTE_APACHE_SERVER_H_

#include <memory>
#include <string>

#include "tests/remote/server.h"

namespace larder {

class ApacheServer {
 public:
  static constexpr const char* program = "apache2";

  ApacheServer();

  // Below data(): dav, readonly, small (1 KiB at most), private (user `reader`, password `geheim`).
  std::string url(const std::string& scheme, const std::string& folder) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/" + folder;
  }
  std::filesystem::path data() const { return directory_.path() / "data"; }
  std::uint16_t port() const { return port_; }
  ServerProcess& process() { return *process_; }

 private:
  const ServerDirectory directory_;
  const std::uint16_t port_ = free_port();
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_APACHE_SERVER_H_
