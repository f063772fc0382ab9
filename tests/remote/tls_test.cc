// HTTPS: whose certificate is trusted, against a real nginx.
#include <gtest/gtest.h>

#include "tests/remote/certificates.h"
#include "tests/remote/nginx_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

class Tls : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_program("nginx") || !has_program("openssl")) return;
    server_ = std::make_unique<NginxServer>(authority_.certificate_for("IP:127.0.0.1"));
  }
  bool holds_anything() const {
    for (const auto& file : std::filesystem::recursive_directory_iterator(server_->data())) {
      if (file.is_regular_file()) return true;
    }
    return false;
  }
  // Neither a look-up nor an upload goes out, and the message says what to do.
  void expect_refused(const RemoteStoreOptions& options, const std::string& says) const {
    const auto store = opened(options);
    const auto found = store->get(numbered(1));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::permission_denied) << found.error().message;
    EXPECT_NE(found.error().message.find(says), std::string::npos) << found.error().message;
    EXPECT_FALSE(store->put(numbered(1), bytes_of("x")));
    EXPECT_FALSE(holds_anything());
  }

  const Authority authority_;
  std::unique_ptr<NginxServer> server_;
};

TEST_F(Tls, AServerWithATrustedCertificateIsSpokenTo) {
  if (!server_) return;
  for (const std::string& url :
       {server_->tls_url("https", "put"), server_->tls_url("webdavs", "dav")}) {
    RemoteStoreOptions options = options_of(url);
    options.attributes["ca-file"] = authority_.file();
    const auto store = opened(options);
    const auto stored = store->put(numbered(1), bytes_of("over TLS"));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(text_of(*store, 1), "over TLS");
    const std::vector<Fingerprint> both = {numbered(1), numbered(2)};
    EXPECT_EQ((**store->get_many(both).value()[0]).text(), "over TLS");
  }
}

TEST_F(Tls, AnUnknownAuthorityIsRefused) {
  if (!server_) return;
  RemoteStoreOptions options = options_of(server_->tls_url("https", "put"));
  expect_refused(options, "@ca-file");
  const Authority another;
  options.attributes["ca-file"] = another.file();
  expect_refused(options, "@ca-file");
}

TEST_F(Tls, ACertificateForAnotherHostIsRefused) {
  if (!server_) return;
  const NginxServer other(authority_.certificate_for("DNS:elsewhere.example"));
  RemoteStoreOptions options = options_of(other.tls_url("https", "put"));
  options.attributes["ca-file"] = authority_.file();
  expect_refused(options, "the host that it is for");
}

TEST_F(Tls, WhatIsWrongIsSaid) {
  if (!server_) return;
  RemoteStoreOptions options = options_of(server_->tls_url("https", "put"));
  options.attributes["ca-file"] = "/nowhere/authority.pem";
  const auto none = open_remote_store(options);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("/nowhere/authority.pem: cannot be read"), std::string::npos)
      << none.error().message;
  const ServerDirectory directory;
  options.attributes["ca-file"] =
      directory.write("none.pem", "none\n", std::filesystem::perms::owner_read);
  const auto empty = open_remote_store(options);
  ASSERT_FALSE(empty);
  EXPECT_TRUE(empty.error().message.contains("has no certificate in it")) << empty.error().message;
  const auto plain = opened(options_of(server_->url("https", "put")))->get(numbered(1));
  EXPECT_NE(plain.error().message.find("does not speak TLS"), std::string::npos)
      << plain.error().message;
}

}  // namespace
}  // namespace larder
