#include "tests/remote/certificates.h"

#include <utility>

namespace larder {
namespace {

std::vector<std::string> request(const std::string& certificate, const std::string& key) {
  return {"openssl", "req",  "-x509",     "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
          "-nodes",  "-out", certificate, "-keyout", key,  "-days",    "2"};
}

}  // namespace

Authority::Authority() {
  std::vector<std::string> command = request(file(), directory_.path() / "authority.key");
  command.insert(command.end(), {"-subj", "/CN=an authority of a test"});
  EXPECT_EQ(run_program(command, directory_.path()), 0);
}

ServerCertificate Authority::certificate_for(const std::string& name) const {
  ServerCertificate made{directory_.path() / (name + ".pem"), directory_.path() / (name + ".key")};
  std::vector<std::string> command = request(made.certificate, made.key);
  command.insert(command.end(),
                 {"-subj", "/CN=a server of a test", "-addext", "subjectAltName=" + name, "-CA",
                  file(), "-CAkey", directory_.path() / "authority.key"});
  EXPECT_EQ(run_program(command, directory_.path()), 0);
  return made;
}

}  // namespace larder
