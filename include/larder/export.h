// What the shared library exports: whatever the public headers declare, and nothing else.
#ifndef LARDER_EXPORT_H_
#define LARDER_EXPORT_H_

#if defined(__GNUC__)
#define LARDER_PUBLIC __attribute__((visibility("default")))
#define LARDER_PRIVATE \
  __attribute__((visibility("hidden")))  // for what a public class hides inside
#else
#define LARDER_PUBLIC
#define LARDER_PRIVATE
#endif

#endif  // LARDER_EXPORT_H_
