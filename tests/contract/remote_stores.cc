#include "tests/contract/remote_stores.h"

#include "store/remote/remote_store.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/nginx_server.h"
#include "tests/remote/redis_server.h"

namespace larder {
namespace {

// A busy machine must not look like a server that is down.
RemoteStoreOptions patient_options(const std::string& url, const std::filesystem::path& directory) {
  using std::chrono::seconds;
  RemoteStoreOptions options;
  options.url = url;
  options.name_space = directory.parent_path().filename().string();
  options.timeouts = {seconds(10), seconds(10), seconds(20)};
  return options;
}

Result<std::shared_ptr<Store>> open_redis(const std::filesystem::path& directory) {
  static const RedisServer server;
  return open_remote_store(patient_options(server.tcp_url(), directory));
}

Result<std::shared_ptr<Store>> open_webdav(const std::filesystem::path& directory) {
  static const NginxServer server;
  return open_remote_store(patient_options(server.url("webdav", "dav"), directory));
}

}  // namespace

Result<std::shared_ptr<Store>> open_remote_folder(const std::filesystem::path& directory) {
  return std::make_shared<RemoteStoreImpl>(
      patient_options("test://folder", directory),
      [directory] { return std::make_unique<remote::FolderTransport>(directory); });
}

std::vector<std::pair<std::string, OpenStore>> remote_servers() {
  std::vector<std::pair<std::string, OpenStore>> servers;
  constexpr bool can_be_opened = LARDER_WITH_REMOTE != 0;
  if (!can_be_opened) return servers;
  if (has_program("redis-server")) servers.emplace_back("redis", open_redis);
  if (has_program("nginx")) servers.emplace_back("webdav", open_webdav);
  return servers;
}

}  // namespace larder
