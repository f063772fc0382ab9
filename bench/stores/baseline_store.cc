#include "baseline.h"
#include "open.h"

namespace larder::bench {
namespace {

class BaselineStore final : public BenchStore {
 public:
  explicit BaselineStore(const OpenOptions& options)
      : directory_(options.directory), baseline_(options.directory) {}

  bool get(const Fingerprint& key) override {
    const auto payload = baseline_.get(key);
    return payload && hit(payload->bytes());
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    baseline_.put(key, payload);
  }

  void flush() override { baseline_.flush(); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<BaselineStore>(OpenOptions{.directory = directory_});
  }

 private:
  std::string directory_;
  Baseline baseline_;
};

}  // namespace

std::unique_ptr<BenchStore> open_baseline(const OpenOptions& options) {
  return std::make_unique<BaselineStore>(options);
}

}  // namespace larder::bench
