// An authority of a test's own, and certificates for servers that it signs.
#ifndef LARDER_TESTS_REMOTE_CERTIFICATES_H_
#define LARDER_TESTS_REMOTE_CERTIFICATES_H_

#include <string>

#include "tests/remote/server.h"

namespace larder {

struct ServerCertificate {
  std::string certificate;  // paths
  std::string key;
};

// Made with the program `openssl`; the files go with their owner.
class Authority {
 public:
  Authority();

  std::string file() const { return directory_.path() / "authority.pem"; }

  // `name`: "IP:127.0.0.1" or "DNS:host".
  ServerCertificate certificate_for(const std::string& name) const;

 private:
  const ServerDirectory directory_;
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_CERTIFICATES_H_
