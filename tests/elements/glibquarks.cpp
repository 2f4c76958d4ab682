// SPDX-License-Identifier: LGPL-2.1-or-later
// Under the address sanitizer: GLib makes its table of quarks while it is loaded and leaves it
// behind when there are more than 2048, as there are where many GStreamer plugins are installed. To
// know that stack by the loader at its end, stacks must be unwound whole.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:ld-linux\n";
}
