/* SPDX-License-Identifier: Apache-2.0 */
/* The list grows only; its one writer reads it without the lock. */
#include "ledger/unpriced.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void unpriced_init(struct unpriced *unpriced, bool in_part)
{
	*unpriced = (struct unpriced){ .in_part = in_part };
	pthread_mutex_init(&unpriced->lock, NULL);
}

void unpriced_fini(struct unpriced *unpriced)
{
	for (size_t i = 0; i < unpriced->count; i++) {
		free(unpriced->models[i].provider);
		free(unpriced->models[i].model);
	}
	unpriced->count = 0;
	pthread_mutex_destroy(&unpriced->lock);
}

/* Said here, where it is known that such a model was not only asked for but used. */
static void tell(const struct unpriced *unpriced, const char *provider, const char *model)
{
	if (unpriced->in_part)
		log_warning("the price of %s/%s is known in part, since it has a unit that is not "
			    "counted, or none for the service tier of an answer, so its cost may "
			    "be wrong: `tidectl prices explain '%s' '%s'`, then `tidectl prices "
			    "override FILE`",
			    provider, model, provider, model);
	else
		log_warning(
		    "the price of %s/%s is unknown, so its use costs nothing in the ledger: "
		    "`tidectl prices set '%s' '%s' input=USD output=USD` (dollars for a million "
		    "tokens), or set the provider's price_provider, or import a newer price book",
		    provider, model, provider, model);
	if (unpriced->count == UNPRICED_MAX)
		log_warning("%d models without a known price were named; further ones are only "
			    "counted (%s)",
			    UNPRICED_MAX,
			    unpriced->in_part ? "prices_partial_total" : "prices_unknown_total");
}

void unpriced_note(struct unpriced *unpriced, const char *provider, const char *model)
{
	struct unpriced_model next;

	for (size_t i = 0; i < unpriced->count; i++)
		if (strcmp(unpriced->models[i].model, model) == 0 &&
		    strcmp(unpriced->models[i].provider, provider) == 0)
			return;
	if (unpriced->count == UNPRICED_MAX)
		return;
	next = (struct unpriced_model){ strdup(provider), strdup(model) };
	if (!next.provider || !next.model) {
		free(next.provider);
		free(next.model);
		return; /* its next use is another chance */
	}
	pthread_mutex_lock(&unpriced->lock);
	unpriced->models[unpriced->count++] = next;
	pthread_mutex_unlock(&unpriced->lock);
	tell(unpriced, provider, model);
}

void unpriced_each(struct unpriced *unpriced,
		   void (*fn)(const char *provider, const char *model, void *data), void *data)
{
	pthread_mutex_lock(&unpriced->lock);
	for (size_t i = 0; i < unpriced->count; i++)
		fn(unpriced->models[i].provider, unpriced->models[i].model, data);
	pthread_mutex_unlock(&unpriced->lock);
}
