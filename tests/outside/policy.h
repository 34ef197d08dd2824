/* The parts of the program policy. */

#ifndef POLICY_H
#define POLICY_H

#include "outside.h"

void policy_values(void);
void policy_outcomes(void);
void policy_files(void);

/* A file that everybody may read; ends the program where it cannot be written. */
void write_file(const char *path, const char *text);

#endif
