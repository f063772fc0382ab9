#include "tests/remote/backends.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>

#include "remote/http_transport.h"
#include "remote/redis_commands.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/apache_server.h"
#include "tests/remote/nginx_server.h"
#include "tests/remote/redis_cluster.h"
#include "tests/remote/redis_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

constexpr auto private_file = std::filesystem::perms::owner_read;

std::string name_of(std::uint32_t number) {
  const std::string hex = numbered(number).hex();
  return hex.substr(0, 2) + "/" + hex + ".art";
}

std::string as_reader(std::string url) { return url.insert(url.find("://") + 3, "reader@"); }

class RedisBackend final : public Backend {
 public:
  RemoteStoreOptions options() const override { return options_of(server_.tcp_url()); }
  std::string object(std::uint32_t number) const override {
    return say({"GET", remote::redis_key(name_of(number))});
  }
  void set_object(std::uint32_t number, const std::string& bytes) const override {
    say({"SET", remote::redis_key(name_of(number)), bytes});
  }
  std::optional<RemoteStoreOptions> read_only() override { return as("geheim"); }
  std::optional<RemoteStoreOptions> with_wrong_password() override { return as("falsch"); }
  std::optional<std::uint16_t> port() const override { return server_.port(); }
  std::vector<ServerProcess*> processes() override { return {&server_.process()}; }

 private:
  RemoteStoreOptions as(const std::string& password) const {
    RemoteStoreOptions options = options_of(as_reader(server_.tcp_url()));
    options.attributes["password-file"] = secrets_.write(password, password, private_file);
    return options;
  }
  std::string say(const std::vector<std::string>& words) const {
    return redis_says(redisConnectUnix(server_.socket().c_str()), words);
  }

  RedisServer server_{
      std::vector<std::string>{"--user", "reader", "on", ">geheim", "~*", "+get", "+strlen"}};
};

// One for all tests, which stop none of its servers: a new one takes two seconds to begin.
class ClusterBackend final : public Backend {
 public:
  ClusterBackend() { EXPECT_TRUE(opened(options())->clear()); }
  RemoteStoreOptions options() const override { return options_of(cluster().url()); }
  std::string object(std::uint32_t number) const override {
    return cluster().ask(owner_of(number), {"GET", remote::redis_key(name_of(number))});
  }
  void set_object(std::uint32_t number, const std::string& bytes) const override {
    cluster().ask(owner_of(number), {"SET", remote::redis_key(name_of(number)), bytes});
  }
  std::optional<RemoteStoreOptions> read_only() override {
    for (std::size_t i = 0; i < RedisCluster::nodes; ++i) {
      cluster().ask(i, {"ACL", "SETUSER", "reader", "on", ">geheim", "~*", "+get", "+strlen",
                        "+cluster|slots", "+asking"});
    }
    return as("geheim");
  }
  std::optional<RemoteStoreOptions> with_wrong_password() override { return as("falsch"); }

 private:
  static const RedisCluster& cluster() {
    static const RedisCluster one;
    return one;
  }
  static std::size_t owner_of(std::uint32_t number) {
    return RedisCluster::first_owner_of(remote::redis_slot_of(remote::redis_key(name_of(number))));
  }
  RemoteStoreOptions as(const std::string& password) const {
    RemoteStoreOptions options = options_of(as_reader(cluster().url()));
    options.attributes["password-file"] = secrets_.write(password, password, private_file);
    return options;
  }
};

// Servers that keep files below data().
template <class Server>
class FileBackend final : public Backend {
 public:
  FileBackend(std::string scheme, std::string folder)
      : scheme_(std::move(scheme)), folder_(std::move(folder)) {}

  RemoteStoreOptions options() const override { return options_of(server_.url(scheme_, folder_)); }
  std::string object(std::uint32_t number) const override {
    std::ifstream file(file_of(number), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void set_object(std::uint32_t number, const std::string& bytes) const override {
    std::ofstream(file_of(number), std::ios::binary) << bytes;
  }
  std::optional<RemoteStoreOptions> read_only() override {
    std::filesystem::remove(server_.data() / "readonly");
    std::filesystem::create_directory_symlink(server_.data() / folder_,
                                              server_.data() / "readonly");
    return options_of(server_.url(scheme_, "readonly"));
  }
  std::optional<RemoteStoreOptions> with_wrong_password() override {
    RemoteStoreOptions options = options_of(as_reader(server_.url(scheme_, "private")));
    options.attributes["password-file"] = secrets_.write("wrong", "falsch", private_file);
    return options;
  }
  std::optional<RemoteStoreOptions> small() override {
    return options_of(server_.url(scheme_, "small"));
  }
  std::optional<std::uint16_t> port() const override { return server_.port(); }
  std::vector<ServerProcess*> processes() override { return {&server_.process()}; }

 private:
  std::filesystem::path file_of(std::uint32_t number) const {
    return server_.data() / folder_ / name_of(number);
  }

  const std::string scheme_;
  const std::string folder_;
  Server server_;
};

// A real S3 server, of which LARDER_TEST_S3 is the endpoint: it has the bucket `bucket`, and the
// keys AK and SK (tests/remote/ceph starts one). Not ours to stop, nor to look into but by asking.
class S3Backend final : public Backend {
 public:
  explicit S3Backend(std::string endpoint)
      : endpoint_(std::move(endpoint)),
        transport_(remote::make_http_transport({.base = endpoint_ + "/bucket/conformance",
                                                .user = "AK",
                                                .password = "SK",
                                                .aws_region = "us-east-1"},
                                               remote::Dialect::s3)) {
    EXPECT_TRUE(opened(options())->clear());
  }
  RemoteStoreOptions options() const override { return with("SK"); }
  std::string object(std::uint32_t number) const override {
    auto found = transport_->get(name_of(number), 100u << 20, patience());
    EXPECT_TRUE(found && *found);
    const auto bytes = (*found)->bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void set_object(std::uint32_t number, const std::string& bytes) const override {
    const auto piece = std::as_bytes(std::span(bytes));
    EXPECT_TRUE(transport_->put(name_of(number), {&piece, 1}, patience()));
  }
  std::optional<RemoteStoreOptions> with_wrong_password() override { return with("falsch"); }
  std::optional<std::uint16_t> port() const override {
    return static_cast<std::uint16_t>(std::stoi(endpoint_.substr(endpoint_.rfind(':') + 1)));
  }

 private:
  static remote::Patience patience() {
    using std::chrono::seconds;
    return {remote::Clock::now() + seconds(20), seconds(5), seconds(10)};
  }
  RemoteStoreOptions with(const std::string& secret) const {
    RemoteStoreOptions options = options_of("s3://bucket/conformance");
    options.timeouts = {std::chrono::seconds(5), std::chrono::seconds(5), std::chrono::seconds(20)};
    options.attributes["endpoint"] = endpoint_;
    options.attributes["credentials-file"] = secrets_.write(
        secret, "[default]\naws_access_key_id=AK\naws_secret_access_key=" + secret + "\n",
        private_file);
    return options;
  }

  const std::string endpoint_;
  const std::unique_ptr<remote::Transport> transport_;
};

std::unique_ptr<Backend> make_s3() {
  const char* endpoint = ::getenv("LARDER_TEST_S3");
  if (endpoint != nullptr) return std::make_unique<S3Backend>(endpoint);
  std::cout << "SKIPPED S3: LARDER_TEST_S3 names no server" << std::endl;
  return nullptr;
}

std::unique_ptr<Backend> make_redis() {
  return has_program("redis-server") ? std::make_unique<RedisBackend>() : nullptr;
}
std::unique_ptr<Backend> make_cluster() {
  return has_program("redis-server") ? std::make_unique<ClusterBackend>() : nullptr;
}
std::unique_ptr<Backend> make_nginx_http() {
  if (!has_program("nginx")) return nullptr;
  return std::make_unique<FileBackend<NginxServer>>("http", "put");
}
std::unique_ptr<Backend> make_nginx_webdav() {
  if (!has_program("nginx")) return nullptr;
  return std::make_unique<FileBackend<NginxServer>>("webdav", "dav");
}
std::unique_ptr<Backend> make_apache() {
  if (!has_program(ApacheServer::program)) return nullptr;
  return std::make_unique<FileBackend<ApacheServer>>("webdav", "dav");
}

}  // namespace

RemoteStoreOptions Backend::by_way_of(std::uint16_t proxy_port) const {
  RemoteStoreOptions tier = options();
  const auto endpoint = tier.attributes.find("endpoint");
  std::string& where = endpoint == tier.attributes.end() ? tier.url : endpoint->second;
  const std::string own = std::to_string(*port());
  where.replace(where.find(own), own.size(), std::to_string(proxy_port));
  return tier;
}

const std::vector<BackendKind>& backend_kinds() {
  static const std::vector<BackendKind> kinds = {
      {"Redis", make_redis},          {"RedisCluster", make_cluster},
      {"NginxHttp", make_nginx_http}, {"NginxWebdav", make_nginx_webdav},
      {"ApacheWebdav", make_apache},  {"S3", make_s3}};
  return kinds;
}

}  // namespace larder
