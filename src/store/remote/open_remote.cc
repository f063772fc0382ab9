// From the options of a remote tier to its store.
#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "os/keep_loaded.h"
#include "remote/url.h"
#include "store/remote/protocols.h"
#include "store/remote/remote_store.h"
#include "store/remote/sharded_store.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_shards = 256;  // each may be asked by a thread of its own

enum class Wire { readable, encrypted };

struct Protocol {
  std::string_view scheme;
  Wire wire;
  Result<MakeTransport> (*open)(const remote::Url& url, Attributes& attributes);
};

#ifdef LARDER_WITH_REMOTE
constexpr Protocol protocols[] = {
    {"redis", Wire::readable, redis_protocol},
    {"redis+unix", Wire::readable, redis_socket_protocol},
    {"redis-cluster", Wire::readable, redis_cluster_protocol},
    {"http", Wire::readable, http_protocol},
    {"https", Wire::encrypted, http_protocol},
    {"s3", Wire::encrypted, s3_protocol},
    {"vyre+http", Wire::readable, vyre_protocol},
    {"vyre+https", Wire::encrypted, vyre_protocol},
    {"webdav", Wire::readable, webdav_protocol},
    {"webdavs", Wire::encrypted, webdav_protocol},
};

const Protocol* find_protocol(std::string_view scheme) noexcept {
  const auto at = std::ranges::find(protocols, scheme, &Protocol::scheme);
  return at == std::end(protocols) ? nullptr : &*at;
}

// The scheme is not repeated: it may be a secret in a wrong place.
std::unexpected<Error> unknown_protocol() {
  std::string known;
  for (const Protocol& protocol : protocols) known += " " + std::string(protocol.scheme) + "://";
  return std::unexpected(
      Error{.code = Errc::invalid_argument,
            .message = "a URL with no protocol of a remote tier; use one of" + known});
}
#else
const Protocol* find_protocol(std::string_view) noexcept { return nullptr; }

std::unexpected<Error> unknown_protocol() {
  return std::unexpected(Error{.code = Errc::unsupported,
                               .message = "this Larder was built without remote tiers; build it "
                                          "with LARDER_REMOTE=ON"});
}
#endif

std::unexpected<Error> wrong(Errc code, const std::string& shown, const std::string& what) {
  return std::unexpected(Error{.code = code, .message = shown + ": " + what});
}

bool is_name_space(std::string_view text) noexcept {
  constexpr std::string_view others = "-_.";
  return text.size() <= 64 && !text.starts_with('.') && std::ranges::all_of(text, [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  others.contains(c);
         });
}

// Whether anybody on the way could read along. An endpoint of its own is asked in the URL's place.
Result<bool> leaves_readable(const RemoteStoreOptions& options, const remote::Url& url, Wire wire) {
  if (url.scheme == "redis+unix") return false;  // whatever stands in the host's place
  const auto endpoint = options.attributes.find("endpoint");
  if (endpoint == options.attributes.end()) return wire == Wire::readable && !url.is_local();
  LARDER_TRY(const remote::Url asked, remote::parse_url(endpoint->second));
  return asked.scheme != "https" && !asked.is_local();
}

Result<void> check_shards(const RemoteStoreOptions& options, const remote::Url& url) {
  std::vector<std::string> hosts;
  for (const RemoteShard& shard : options.shards) {
    const bool is_good = shard.weight > 0 && shard.weight < 1e9;  // no NaN is
    if (!is_good) {
      return wrong(Errc::invalid_argument, url.shown(),
                   "the weight of " + shard.host + " is not over 0 and below 1e9");
    }
    hosts.push_back(shard.host);
  }
  if (hosts.size() > most_shards) {
    return wrong(Errc::invalid_argument, url.shown(), "there are over 256 shards; use fewer");
  }
  std::ranges::sort(hosts);
  if (std::ranges::adjacent_find(hosts) != hosts.end()) {
    return wrong(Errc::invalid_argument, url.shown(), "a shard is named twice; leave one out");
  }
  if (hosts.empty() != (url.host != "*")) {
    return wrong(Errc::invalid_argument, url.shown(),
                 "write `*` for the host where `shards` names the hosts, and nowhere else");
  }
  return {};
}

Result<std::shared_ptr<RemoteStore>> open_shards(const RemoteStoreOptions& options,
                                                 const remote::Url& url) {
  std::vector<std::shared_ptr<RemoteStore>> stores;
  for (const RemoteStoreOptions& server : servers_of(options)) {
    LARDER_TRY(auto store, open_remote_store(server));
    stores.push_back(std::move(store));
  }
  return std::make_shared<ShardedStore>(url.shown(), options.shards, std::move(stores));
}

Result<void> check(const RemoteStoreOptions& options, const remote::Url& url, Wire wire) {
  if (!url.others.empty() && url.scheme != "redis-cluster") {
    return wrong(Errc::invalid_argument, url.shown(),
                 "several hosts are for redis-cluster:// alone; name one, or see `shards`");
  }
  if (!is_name_space(options.name_space)) {
    return wrong(Errc::invalid_argument, url.shown(),
                 "the namespace is not of at most 64 letters, digits, `.`, `-` and `_`, or begins "
                 "with `.`; choose another one");
  }
  if (options.max_entry_bytes == 0 || options.max_entry_bytes > max_payload_bytes_larder) {
    return wrong(Errc::invalid_argument, url.shown(), "max-entry-size is not from 1 byte to 1 GiB");
  }
  if (url.is_only_read() && !options.keys.empty()) {
    return wrong(Errc::invalid_argument, url.shown(),
                 "the vyre layout has no room for a key; leave the tier out, or the key");
  }
  LARDER_TRY(const bool leaves, leaves_readable(options, url, wire));
  if (leaves && !options.plaintext) {
    return wrong(Errc::invalid_argument, url.shown(),
                 "the connection is not encrypted and leaves this machine; use an encrypted one, "
                 "or say `plaintext` where the network is trusted");
  }
  const auto zero = milliseconds(0);
  if (options.timeouts.connect <= zero || options.timeouts.data <= zero ||
      options.timeouts.request <= zero || options.breaker.pause <= zero ||
      options.breaker.failures == 0) {
    return wrong(Errc::invalid_argument, url.shown(), "a timeout or the breaker is zero");
  }
  constexpr milliseconds longest = std::chrono::hours(24);
  const milliseconds times[] = {options.timeouts.connect, options.timeouts.data,
                                options.timeouts.request, options.breaker.pause,
                                options.remember_absent};
  if (std::ranges::max(times) > longest) {
    return wrong(Errc::invalid_argument, url.shown(),
                 "a time is over 24 hours; give a shorter one");
  }
  return {};
}

}  // namespace

std::vector<RemoteStoreOptions> servers_of(const RemoteStoreOptions& options) {
  std::vector<RemoteStoreOptions> servers;
  for (const RemoteShard& shard : options.shards) {
    RemoteStoreOptions server = options;
    server.shards.clear();
    // No other part of a URL may have one in it.
    const std::size_t star = server.url.find('*');
    if (star != std::string::npos) server.url.replace(star, 1, shard.host);
    servers.push_back(std::move(server));
  }
  if (servers.empty()) servers.push_back(options);
  return servers;
}

Result<std::shared_ptr<RemoteStore>> open_remote_store(const RemoteStoreOptions& options) {
  return guarded([&]() -> Result<std::shared_ptr<RemoteStore>> {
    LARDER_TRY(const remote::Url url, remote::parse_url(options.url));
    LARDER_CHECK_OK(check_shards(options, url));
    if (!options.shards.empty()) return open_shards(options, url);
    const Protocol* protocol = find_protocol(url.scheme);
    if (protocol == nullptr) return unknown_protocol();
    // Threads that look up names outlive the store. Not later, by one of them: whoever unloads a
    // library holds the loader's lock, while its last store waits for them.
    os::keep_loaded(reinterpret_cast<const void*>(&unknown_protocol));
    LARDER_CHECK_OK(check(options, url, protocol->wire));
    Attributes attributes(options.attributes);
    auto make = protocol->open(url, attributes);
    if (make) {
      if (auto left = attributes.expect_none_left(); !left) make = std::unexpected(left.error());
    }
    if (!make) return wrong(make.error().code, url.shown(), make.error().message);
    RemoteStoreOptions shown = options;
    shown.url = url.shown();
    if (!url.user.empty())
      shown.attributes["user"] = url.user;  // it is another tier for another one
    if (!url.is_only_read()) return std::make_shared<RemoteStoreImpl>(shown, *std::move(make));
    shown.access = Access::read_only;
    return std::make_shared<RemoteStoreImpl>(shown, *std::move(make), FileLayout::vyre);
  });
}

}  // namespace larder
