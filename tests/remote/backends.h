// Every kind of server that Larder speaks to, as the conformance suite wants it: real, with a way
// past the store to what it keeps.
#ifndef LARDER_TESTS_REMOTE_BACKENDS_H_
#define LARDER_TESTS_REMOTE_BACKENDS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "larder/remote.h"
#include "tests/remote/server.h"

namespace larder {

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // The tier, with everything allowed.
  virtual RemoteStoreOptions options() const = 0;

  // The server's own copy of an entry's object, past the store.
  virtual std::string object(std::uint32_t number) const = 0;
  virtual void set_object(std::uint32_t number, const std::string& bytes) const = 0;

  // The same server in other ways; nullopt where it cannot be had so.
  virtual std::optional<RemoteStoreOptions> read_only() { return std::nullopt; }
  virtual std::optional<RemoteStoreOptions> with_wrong_password() { return std::nullopt; }
  virtual std::optional<RemoteStoreOptions> small() { return std::nullopt; }  // takes 1 KiB
  virtual std::optional<std::uint16_t> port() const { return std::nullopt; }
  // The tier with another port in place of that: there stands something that passes on.
  RemoteStoreOptions by_way_of(std::uint16_t proxy_port) const;
  virtual std::vector<ServerProcess*> processes() { return {}; }

 protected:
  const ServerDirectory secrets_;
};

struct BackendKind {
  const char* name;
  std::unique_ptr<Backend> (*make)();  // null where the program is missing, which it says
};

const std::vector<BackendKind>& backend_kinds();

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_BACKENDS_H_
