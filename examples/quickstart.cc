// Compiles a kernel once; every later run of this program gets the result from the cache.
#include <larder/larder.h>

#include <cstdio>
#include <string>

struct Kernel {  // everything the result depends on, and nothing else
  std::string source, options, device_build;
};

// Found by get_or_compile.
larder::Recipe recipe(const Kernel& kernel) {
  return larder::Recipe("example.org 2026-11 quickstart v1")  // bump it to forget every old entry
      .field("source", kernel.source)
      .field("options", kernel.options)
      .field("device_build", kernel.device_build);
}

// Yours: slow, and a pure function of the kernel.
larder::Result<larder::Artifact> compile(const Kernel& kernel) {
  std::puts("compiling");
  return larder::Artifact::copy_of("binary of " + kernel.source);
}

int fail(const larder::Error& error) {
  std::fprintf(stderr, "quickstart: %s\n", error.message.c_str());
  return 1;
}

int main() {
  auto cache = larder::open();  // the only moment at which the environment may refuse
  if (!cache) return fail(cache.error());

  const Kernel kernel{.source = "kernel void k() {}", .options = "-O2", .device_build = "550.54"};
  auto binary = cache->get_or_compile(kernel, compile);  // a verified hit, or compiled once
  if (!binary) return fail(binary.error());              // only ever your compiler's own error
  std::printf("%zu bytes, %s\n", binary->size(), cache->metrics().hits > 0 ? "hit" : "miss");

  auto durable = cache->flush();  // after this, power may go
  return durable ? 0 : fail(durable.error());
}
