// An nginx of a test's own, with folders that behave differently. One process: a worker would
// outlive a master that is killed.
#ifndef LARDER_TESTS_REMOTE_NGINX_SERVER_H_
#define LARDER_TESTS_REMOTE_NGINX_SERVER_H_

#include <memory>
#include <optional>
#include <string>

#include "tests/remote/certificates.h"
#include "tests/remote/server.h"

namespace larder {

class NginxServer {
 public:
  explicit NginxServer(const std::optional<ServerCertificate>& certificate = {});

  // Below data(): dav (no folders without MKCOL), put (makes folders), readonly, small (1 KiB at
  // most), private (user `reader`, password `geheim`), busy (503), moved (to put), elsewhere
  // (another host), full (507).
  std::string url(const std::string& scheme, const std::string& folder) const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/" + folder;
  }
  // The same, where there is a certificate.
  std::string tls_url(const std::string& scheme, const std::string& folder) const {
    return scheme + "://127.0.0.1:" + std::to_string(tls_port_) + "/" + folder;
  }
  std::filesystem::path data() const { return directory_.path() / "data"; }
  std::uint16_t port() const { return port_; }
  const ServerDirectory& directory() const { return directory_; }
  ServerProcess& process() { return *process_; }

 private:
  const ServerDirectory directory_;
  const std::uint16_t port_ = free_port();
  const std::uint16_t tls_port_ = free_port();
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_NGINX_SERVER_H_
