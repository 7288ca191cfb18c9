#ifndef EMBEDDED_MIGRATIONS_H
#define EMBEDDED_MIGRATIONS_H

// A step of the schema: the name of its file without the extension, and what it holds, as text that ends with a zero.
struct embedded_migration {
  const char *_Nonnull name;
  const char *_Nonnull sql;
};

// How many there are.
long embedded_migrations_count(void);

// One of them, by its place from 0.
struct embedded_migration embedded_migrations_at(long place);

#endif
