// S3: what is signed and how keys are found, without a server; and everything against a real one,
// where LARDER_TEST_S3 names it (tests/remote/ceph starts one).
#include <gtest/gtest.h>
#include <stdlib.h>

#include <iostream>

#include "larder/remote.h"
#include "remote/s3_listing.h"
#include "store/remote/aws_credentials.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

constexpr auto private_file = std::filesystem::perms::owner_read;

RemoteStoreOptions options_of(const ServerDirectory& directory, const std::string& endpoint,
                              const std::string& keys) {
  RemoteStoreOptions options;
  options.url = "s3://bucket/team";
  options.attributes["endpoint"] = endpoint;
  options.attributes["credentials-file"] = directory.write("credentials", keys, private_file);
  options.timeouts = {std::chrono::seconds(5), std::chrono::seconds(5), std::chrono::seconds(20)};
  return options;
}

std::string entry_path(std::uint32_t number) {
  const std::string hex = numbered(number).hex();
  return hex.substr(0, 2) + "/" + hex + ".art";
}

TEST(S3, ARequestIsSignedAndNamesTheObject) {
  std::string asked;
  const HostileServer server([&asked](Peer& peer) {
    asked = peer.read();
    peer.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });
  const ServerDirectory directory;
  RemoteStoreOptions options =
      options_of(directory, "http://127.0.0.1:" + std::to_string(server.port()),
                 "[default]\naws_access_key_id = AK\naws_secret_access_key = geheim\n"
                 "aws_session_token = token\n");
  options.attributes["region"] = "eu-west-9";
  const auto store = open_remote_store(options);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_FALSE((*store)->get(numbered(1)).value());
  const std::string hex = numbered(1).hex();
  const auto says = [&](const std::string& text) { return asked.find(text) != std::string::npos; };
  EXPECT_TRUE(says("GET /bucket/team/01/" + hex + ".art HTTP/1.1\r\n")) << asked;
  EXPECT_TRUE(says("Authorization: AWS4-HMAC-SHA256 Credential=AK/")) << asked;
  EXPECT_TRUE(says("/eu-west-9/s3/aws4_request")) << asked;
  EXPECT_TRUE(says("x-amz-content-sha256;")) << "signed: " << asked;
  EXPECT_TRUE(says("x-amz-security-token: token\r\n")) << asked;
  EXPECT_FALSE(says("geheim"));
}

TEST(S3, KeysAreFoundByProfile) {
  const char* text =
      "# mine\n[default]\naws_access_key_id=A\naws_secret_access_key=B\r\n\n[other]\n"
      "aws_access_key_id = C\n aws_secret_access_key = D=\naws_session_token = E\n[half]\n"
      "aws_access_key_id = F\n";
  const auto other = parse_aws_credentials(text, "other");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->access_key, "C");
  EXPECT_EQ(other->secret_key, "D=");
  EXPECT_EQ(other->session_token, "E");
  EXPECT_EQ(parse_aws_credentials(text, "default")->secret_key, "B");
  EXPECT_FALSE(parse_aws_credentials(text, "half"));
  EXPECT_FALSE(parse_aws_credentials(text, "none"));
}

TEST(S3, WrongOptionsAreRefused) {
  const ServerDirectory directory;
  const std::string keys = "[default]\naws_access_key_id=A\naws_secret_access_key=B\n";
  EXPECT_TRUE(open_remote_store(options_of(directory, "https://s3.example", keys)));
  const ServerDirectory another;
  EXPECT_FALSE(open_remote_store(options_of(another, "http://s3.example", keys))) << "readable";
  for (const auto& [name, value] : {std::pair("style", "none"), std::pair("profile", "none"),
                                    std::pair("endpoint", "ftp://x"), std::pair("what", "x")}) {
    const ServerDirectory fresh;
    RemoteStoreOptions options = options_of(fresh, "https://s3.example", keys);
    options.attributes[name] = value;
    EXPECT_FALSE(open_remote_store(options)) << name;
  }
}

TEST(S3, APageIsReadAndAskedForAsTheSignatureWantsIt) {
  const std::string xml =
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b=</NextContinuationToken>"
      "<Contents><Key>p/x</Key><Size>17</Size></Contents>"
      "<Contents><Key>p/&amp;</Key><Size>1</Size></Contents>"
      "<Contents><Key>p/y</Key><Size>18</Size></Contents></ListBucketResult>";
  const remote::S3Page page = remote::parse_s3_page(xml);
  ASSERT_EQ(page.objects.size(), 2u);
  EXPECT_EQ(page.objects[1].key, "p/y");
  EXPECT_EQ(page.objects[1].bytes, 18u);
  EXPECT_EQ(page.next, "a/b=");
  EXPECT_EQ(remote::s3_query("p/", page.next),
            "?continuation-token=a%2Fb%3D&list-type=2&prefix=p%2F");
  for (std::size_t length = 0; length < xml.size(); ++length) {
    EXPECT_LE(remote::parse_s3_page(xml.substr(0, length)).objects.size(), 2u);
  }
}

// What it has listed until then is there.
TEST(S3, AListingThatDoesNotComeToItsEndIsAnError) {
  const std::string begins = "<ListBucketResult><Contents><Key>team/" + entry_path(1) +
                             "</Key><Size>900</Size></Contents>";
  for (const std::string& page :
       {std::string(), begins, begins + "<IsTruncated>true</IsTruncated></ListBucketResult>",
        begins + "<IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>"
                 "</ListBucketResult>"}) {
    const HostileServer server([&page](Peer& peer) {
      const bool lists = peer.read().contains("list-type=2");
      peer.say("HTTP/1.1 " + std::string(lists ? "200 OK" : "404 Not Found") +
               "\r\nConnection: close\r\nContent-Length: " + std::to_string(page.size()) +
               "\r\n\r\n" + page);
    });
    const ServerDirectory directory;
    const auto store =
        open_remote_store(options_of(directory, "http://127.0.0.1:" + std::to_string(server.port()),
                                     "[default]\naws_access_key_id=A\naws_secret_access_key=B\n"));
    ASSERT_TRUE(store) << store.error().message;
    int seen = 0;
    const auto visited = (*store)->visit([&](const EntryInfo& entry) {
      seen += entry.fingerprint == numbered(1) ? 1 : 0;
      return Visit::go_on;
    });
    ASSERT_FALSE(visited) << page;
    EXPECT_EQ(visited.error().code, Errc::io_error) << visited.error().message;
    EXPECT_EQ(seen, page.ends_with("</ListBucketResult>") ? 1 : 0) << page;
  }
}

// A real server: LARDER_TEST_S3 is its endpoint, with a bucket `bucket` and the keys AK and SK.
class RealS3 : public testing::Test {
 protected:
  std::shared_ptr<RemoteStore> open(const std::string& secret = "SK") {
    const char* endpoint = ::getenv("LARDER_TEST_S3");
    if (endpoint == nullptr) {
      std::cout << "SKIPPED S3: LARDER_TEST_S3 names no server" << std::endl;
      return nullptr;
    }
    const auto directory = std::make_unique<ServerDirectory>();
    auto store = open_remote_store(
        options_of(*directory, endpoint,
                   "[default]\naws_access_key_id=AK\naws_secret_access_key=" + secret + "\n"));
    EXPECT_TRUE(store) << store.error().message;
    return store ? *store : nullptr;
  }
};

TEST_F(RealS3, EverySizeComesBackAndIsListed) {
  const auto store = open();
  if (!store) return;
  ASSERT_TRUE(store->clear());
  for (const std::size_t size : {0u, 1u, 16'384u, 65'536u, 20u << 20}) {
    const auto number = static_cast<std::uint32_t>(size);
    const std::string payload = payload_of(size, 5);
    ASSERT_FALSE(store->get(numbered(number)).value());
    const auto stored = store->put(numbered(number), bytes_of(payload));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_TRUE(store->get(numbered(number)).value()->text() == payload) << size;
  }
  int seen = 0;
  EXPECT_TRUE(store->visit([&](const EntryInfo&) {
    ++seen;
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 5);
  ASSERT_TRUE(store->put(numbered(1), bytes_of("another")));
  EXPECT_EQ(store->get(numbered(1)).value()->text(), "another");
  EXPECT_EQ(store->remove(numbered(1)), true);
  EXPECT_EQ(store->remove(numbered(1)), false);
  EXPECT_EQ(store->clear()->evicted_entries, 4u);
}

TEST_F(RealS3, MoreThanAPageIsListed) {
  const auto store = open();
  if (!store) return;
  for (std::uint32_t i = 0; i < 1200; ++i) ASSERT_TRUE(store->put(numbered(i), bytes_of("x")));
  EXPECT_EQ(store->clear()->evicted_entries, 1200u);
}

TEST_F(RealS3, AWrongSecretIsRefused) {
  const auto store = open("wrong");
  if (!store) return;
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::permission_denied);
}

}  // namespace
}  // namespace larder
